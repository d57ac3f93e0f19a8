//! `legation demo`: the main job, played on loopback in a few seconds.
//!
//! The real server runs on free ports and a temporary data directory; a scripted partner server and a scripted SIP user,
//! made from the same cores, are its peers. Changes go through the API on its socket, as the command line's do. What the
//! play proves is the road from end to end; that foreign programs can travel it is proven in `tests/interop`.

use std::{process::ExitCode, time::Duration};

use panel::api::v1::dto::{NewPartner, Status};
use xmpp::stanza::Condition;

use crate::client::ClientError;

mod partner;
mod stage;
mod transcript;

pub mod sip_user;

use partner::{Heard, ScriptedPartner};
use sip_user::{Outcome, SipUser, SipUserError};
use stage::Stage;
use transcript::Transcript;

/// Longest wait for anything in the play.
const PATIENCE: Duration = Duration::from_secs(20);

/// Between two looks at the ledger.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

const ALICE: &str = "alice@contoso.example";
const JULIET: &str = "juliet@fabrikam.example";
const TYBALT: &str = "tybalt@litware.example";

/// Why the play ended early. The text is a sentence for whoever runs it.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The API refused or did not answer.
    #[error("the API: {0}")]
    Api(String),
    /// The server did not start.
    #[error("the server did not start: {0}")]
    Server(#[from] crate::StartError),
    /// The scripted partner did not start.
    #[error("the scripted partner did not start: {0}")]
    Partner(#[from] proxy::ProxyError),
    /// The scripted SIP user failed.
    #[error("the scripted SIP user: {0}")]
    SipUser(#[from] SipUserError),
    /// Files or ports of the stage.
    #[error("the stage could not be set: {0}")]
    Stage(String),
    /// Something else happened than what the product promises.
    #[error("{0}")]
    Unexpected(String),
}

impl From<ClientError> for DemoError {
    fn from(error: ClientError) -> Self {
        Self::Api(error.to_string())
    }
}

/// Plays it. With `stay` the server goes on afterwards until SIGINT.
pub async fn run(stay: bool) -> Result<ExitCode, DemoError> {
    let mut transcript = Transcript::start();
    transcript
        .title("Legation: contoso.example, whose users have SIP, federates with two XMPP partners. Loopback only.");
    let mut stage = Stage::set().await?;
    transcript.event(format_args!("{}", stage.description()));
    let played = play(&mut transcript, &mut stage).await;
    if played.is_ok() && stay {
        transcript.title("The server stays up; end it with Ctrl-C.");
        transcript.event(format_args!("legation --socket {} status", stage.admin_socket().display()));
        tokio::signal::ctrl_c().await.map_err(|error| DemoError::Stage(error.to_string()))?;
    }
    stage.strike().await;
    played?;
    transcript.title("Done: everything happened as promised.");
    Ok(ExitCode::SUCCESS)
}

async fn play(transcript: &mut Transcript, stage: &mut Stage) -> Result<(), DemoError> {
    transcript.scene("A partner whose negotiation cannot work is refused before anything is saved");
    refused_partner(transcript, stage).await?;

    transcript.scene("A valid partner: TLS and SASL EXTERNAL required, certificates of a private authority");
    add_partner(transcript, stage, federated(stage)).await?;

    transcript.scene("A SIP user registers");
    let mut alice = stage.sip_user("alice").await?;
    transcript.event(format_args!(
        "{ALICE} registers by digest: {}",
        accepted(alice.register(3600).await?, sip::Status::OK)?
    ));

    transcript.scene("A message out, a message back");
    message_out(transcript, stage.partner(), &alice, JULIET, "Art thou not Romeo, and a Montague?").await?;
    message_in(transcript, stage.partner(), &mut alice, JULIET, "Neither, fair saint, if either thee dislike.").await?;

    transcript.scene("A partner that does not verify its users: nobody writes first from there");
    add_partner(transcript, stage, unverified()).await?;
    uninvited(transcript, stage.partner()).await?;
    message_out(transcript, stage.partner(), &alice, TYBALT, "You may write to me now.").await?;
    message_in(transcript, stage.partner(), &mut alice, TYBALT, "What, drawn, and talk of peace?").await?;

    transcript.scene("What the server says of it");
    let status = at_rest(stage).await?;
    for stream in &status.streams {
        let (direction, local, remote, method) = (&stream.direction, &stream.local, &stream.remote, &stream.method);
        transcript.event(format_args!("stream {direction}: {local} with {remote}, {method}"));
    }
    ledger(transcript, &status)
}

async fn refused_partner(transcript: &mut Transcript, stage: &Stage) -> Result<(), DemoError> {
    let mut partner = federated(stage);
    partner.tls = Some("not_supported".to_owned());
    transcript.event("partner add fabrikam.example --tls not_supported --sasl required");
    match stage.api().post("/api/v1/partners", &partner).await {
        Err(ClientError::Refused(problem)) if !problem.errors.is_empty() => {
            for error in &problem.errors {
                transcript.event(format_args!("refused: {}: {}", error.field, error.message));
            }
        }
        Err(error) => return Err(error.into()),
        Ok(_) => return Err(DemoError::Unexpected("a negotiation that cannot work was saved".to_owned())),
    }
    match stage.api().get("/api/v1/partners/fabrikam.example").await {
        Err(ClientError::Refused(problem)) if problem.status == 404 => {
            transcript.event("nothing was saved");
            Ok(())
        }
        Err(error) => Err(error.into()),
        Ok(_) => Err(DemoError::Unexpected("a refused partner was saved".to_owned())),
    }
}

fn federated(stage: &Stage) -> NewPartner {
    NewPartner {
        primary_domain: "fabrikam.example".to_owned(),
        description: Some("A business partner".to_owned()),
        partner_type: Some("federated".to_owned()),
        tls: Some("required".to_owned()),
        sasl: Some("required".to_owned()),
        dialback: Some(false),
        trust_roots: Some(stage.authority().to_owned()),
        ..NewPartner::default()
    }
}

fn unverified() -> NewPartner {
    NewPartner {
        primary_domain: "litware.example".to_owned(),
        description: Some("A public provider".to_owned()),
        partner_type: Some("public_unverified".to_owned()),
        tls: Some("required".to_owned()),
        sasl: Some("not_supported".to_owned()),
        dialback: Some(true),
        ..NewPartner::default()
    }
}

async fn add_partner(transcript: &mut Transcript, stage: &Stage, partner: NewPartner) -> Result<(), DemoError> {
    let added: panel::api::v1::dto::PartnerChanged = stage.api().post("/api/v1/partners", &partner).await?.read()?;
    let partner = added.partner;
    transcript.event(format_args!(
        "partner {}: {}, row {}, permitted: {}",
        partner.primary_domain,
        partner.partner_type,
        partner.row,
        partner.methods.join(", ")
    ));
    Ok(())
}

async fn message_out(
    transcript: &mut Transcript,
    partner: &mut ScriptedPartner,
    alice: &SipUser,
    to: &str,
    text: &str,
) -> Result<(), DemoError> {
    transcript.event(format_args!("{ALICE} → {to}: {text}"));
    let outcome = accepted(alice.send_message(to, text).await?, sip::Status::ACCEPTED)?;
    match partner.hear(PATIENCE).await {
        Some(Heard::Message { from, to: recipient, body }) if from == ALICE && recipient == to && body == text => {
            transcript.event(format_args!("SIP answer {outcome}; {to} reads it"));
            Ok(())
        }
        other => Err(DemoError::Unexpected(format!("{to} should read the message, not {other:?}"))),
    }
}

async fn message_in(
    transcript: &mut Transcript,
    partner: &ScriptedPartner,
    alice: &mut SipUser,
    from: &str,
    text: &str,
) -> Result<(), DemoError> {
    transcript.event(format_args!("{from} → {ALICE}: {text}"));
    partner.say(from, ALICE, text).await?;
    match alice.next_message(PATIENCE).await {
        Some(received) if received.from == from && received.text == text => {
            transcript.event(format_args!("{ALICE} reads it"));
            Ok(())
        }
        other => Err(DemoError::Unexpected(format!("{ALICE} should read the message, not {other:?}"))),
    }
}

async fn uninvited(transcript: &mut Transcript, partner: &mut ScriptedPartner) -> Result<(), DemoError> {
    let text = "Turn thee, and look upon thy death.";
    transcript.event(format_args!("{TYBALT} → {ALICE}: {text}"));
    partner.say(TYBALT, ALICE, text).await?;
    match partner.hear(PATIENCE).await {
        Some(Heard::Error { to, condition: Condition::Forbidden, text }) if to == TYBALT => {
            transcript.event(format_args!("refused: {}", text.unwrap_or_default()));
            Ok(())
        }
        other => Err(DemoError::Unexpected(format!("{TYBALT} should be refused, not {other:?}"))),
    }
}

fn accepted(outcome: Outcome, status: sip::Status) -> Result<Outcome, DemoError> {
    if outcome.status == status {
        Ok(outcome)
    } else {
        Err(DemoError::Unexpected(format!("the SIP answer should be {status}, not {outcome}")))
    }
}

const WAYS: [&str; 4] = ["proxy.from_partners", "proxy.to_partners", "gateway.from_partners", "gateway.from_users"];

fn count(status: &Status, name: &str) -> u64 {
    status.ledger.get(name).copied().unwrap_or_default()
}

/// The status once nothing is on the way any more: the last settlement may be a moment behind what people see.
async fn at_rest(stage: &Stage) -> Result<Status, DemoError> {
    let settled = async {
        loop {
            let status: Status = stage.api().get("/api/v1/status").await?.read()?;
            if WAYS.iter().all(|way| count(&status, &format!("{way}.queued")) == 0) {
                return Ok(status);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    let late = |_| DemoError::Unexpected("something is still on the way".to_owned());
    tokio::time::timeout(PATIENCE, settled).await.map_err(late)?
}

/// What one role handed over the other has taken.
fn ledger(transcript: &Transcript, status: &Status) -> Result<(), DemoError> {
    for way in WAYS {
        let count = |what: &str| count(status, &format!("{way}.{what}"));
        let (accepted, delivered, answered) = (count("accepted"), count("delivered"), count("answered"));
        transcript.event(format_args!("{way}: {accepted} accepted, {delivered} delivered, {answered} answered"));
    }
    let agree = count(status, "proxy.from_partners.accepted") == count(status, "gateway.from_partners.accepted")
        && count(status, "gateway.from_users.delivered") == count(status, "proxy.to_partners.delivered");
    if agree { Ok(()) } else { Err(DemoError::Unexpected("the ledgers of the roles differ".to_owned())) }
}
