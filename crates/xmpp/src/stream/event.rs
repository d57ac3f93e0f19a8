//! What goes into a stream machine and what comes out.
//!
//! Both machines share the two enums so that one shell drives either. An input that has no meaning in a machine's state
//! changes nothing.

use bytes::BytesMut;
use lexicon::{Domain, DomainPair, Method, TlsFacts};

use super::{
    dialback::{DialbackVerdict, VerifyRequest},
    error::Condition,
    failure::StreamFailure,
    rules::{PairRules, Refusal},
    stanzas::{Stanzas, UnsentReason},
};
use crate::xml::Batch;

/// What the shell tells a machine.
#[derive(Debug)]
pub enum Input<'a> {
    /// Bytes that arrived, decrypted when TLS is up. All are taken.
    Bytes(&'a mut BytesMut),
    /// The TLS handshake is finished; as the very first input: direct TLS.
    Tls(TlsFacts),
    /// The TLS handshake failed; the text is for the operator.
    TlsFailed(&'a str),
    /// The answer to [`Output::AskPair`]; unasked: the rules of this pair have changed.
    PairRules(&'a DomainPair, Result<PairRules, Refusal>),
    /// The answer to [`Output::VerifyDialback`].
    DialbackVerdict(&'a DomainPair, DialbackVerdict),
    /// The answer to [`Output::AskKey`].
    KeyStatus(&'a VerifyRequest, KeyStatus),
    /// Stanzas to send, where the stream carries the pair to the partner. See [`Output::Unsent`].
    Send(&'a DomainPair, Stanzas),
    /// A ping was answered on another stream of the pair: see [`Output::ProofOfLife`].
    ProofOfLife(&'a DomainPair),
    /// So many of the stanzas that came out by [`Output::Stanzas`], the oldest not yet reported, are settled: delivered,
    /// or answered. Only then does the peer get its acknowledgement.
    Settled(usize),
    /// Outbound: authorise one more pair on this stream, by dialback. With another partner domain only if it is found at
    /// the same address and port (XEP-0220 §2.6.2).
    AddPair(DomainPair),
    /// Close: cleanly without a condition, else with this stream error. The text goes to the peer.
    Close(Option<Condition>, &'a str),
    /// The moment of `deadline` has come.
    Deadline,
    /// The peer closed TCP, or the connection broke; the text is for the operator and empty for an orderly end.
    Disconnected(&'a str),
}

/// What a machine wants from the shell.
#[derive(Debug)]
pub enum Output {
    /// Judge the pair: [`Input::PairRules`] must answer before anything else is read. `method` is none while the stream
    /// is being set up, and the method really used when the pair is about to be authorised.
    AskPair {
        /// The pair.
        pair: DomainPair,
        /// The method with which it is about to be authorised.
        method: Option<Method>,
        /// The pair is authorised already, and about to be used against the direction of the connection too.
        inverse: bool,
    },
    /// Write what is drained, then make the TLS handshake: as server with the certificate of `local`, or as client with
    /// that certificate to show, `remote` as SNI and expected name.
    StartTls {
        /// Our domain.
        local: Domain,
        /// The partner's domain; none if the peer has not said it.
        remote: Option<Domain>,
    },
    /// Inbound: ask the authoritative server of the pair's remote domain, on another connection. Answered by
    /// [`Input::DialbackVerdict`].
    VerifyDialback(VerifyRequest),
    /// Does an outbound stream of ours with this stream id have this pair in flight? Answered by
    /// [`Input::KeyStatus`].
    AskKey(VerifyRequest),
    /// Outbound: from now on the key for this pair on the peer's stream id is in flight, until the pair is authorised,
    /// [`Output::PairFailed`] or [`Output::Closed`].
    KeySent(DomainPair, Box<str>),
    /// The pair may carry stanzas: inbound from the partner, outbound to it.
    Authorised(DomainPair, Method),
    /// The stream carries stanzas of this authorised pair against the direction of the connection too: inbound to the
    /// partner, outbound from it.
    Inverse(DomainPair, Method),
    /// The pair may no longer carry stanzas, neither way; the stream lives on.
    Deauthorised(DomainPair, StreamFailure),
    /// Outbound: this added pair was not authorised; the stream lives on.
    PairFailed(DomainPair, StreamFailure),
    /// Stanzas from the partner, of a pair that may carry them here, in order.
    Stanzas(DomainPair, Batch),
    /// The partner answered one of our pings ([`keep_alive`](super::keep_alive)): every other stream on which we send
    /// stanzas of the pair is told by [`Input::ProofOfLife`].
    ProofOfLife(DomainPair),
    /// The peer has acknowledged so many more of the stanzas sent, the oldest. Only while `unacked` is some.
    Acked(usize),
    /// Right before [`Output::Closed`]: so many stanzas, the last ones sent, were never acknowledged. The peer may have
    /// them: they are not sent again.
    DeliveryUnknown(usize),
    /// Not taken, not one of them.
    Unsent(DomainPair, Stanzas, UnsentReason),
    /// Verification stream: the authoritative server's answer.
    Verdict(VerifyRequest, DialbackVerdict),
    /// To be counted.
    Anomaly(Anomaly),
    /// Write what is drained and drop the connection. None: closed cleanly.
    Closed(Option<StreamFailure>),
}

/// What the shell knows of a dialback key that we may have issued.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyStatus {
    /// A live outbound stream with this id has this pair in flight.
    InFlight,
    /// None has.
    NotIssued,
    /// The local domain is not an internal domain.
    HostUnknown,
}

/// Something that was ignored, to be counted by reason.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Anomaly {
    /// A `db:result` or `db:verify` answer that nobody asked for on this stream (XEP-0220 §3.1).
    UnsolicitedDialback,
    /// A `db:result` request on a stream that we opened, where the peer cannot authorise itself.
    DialbackInWrongDirection,
    /// A second request for a pair that is being verified.
    DialbackRepeated,
    /// A first-level element in a namespace that was not negotiated.
    UnknownElement,
    /// The authoritative server called a key invalid: a forged sender or a wrong secret.
    DialbackKeyInvalid,
    /// A key was asked after that we did not issue.
    KeyNotIssued,
}

impl Anomaly {
    /// The word used in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnsolicitedDialback => "unsolicited_dialback",
            Self::DialbackInWrongDirection => "dialback_in_wrong_direction",
            Self::DialbackRepeated => "dialback_repeated",
            Self::UnknownElement => "unknown_element",
            Self::DialbackKeyInvalid => "dialback_key_invalid",
            Self::KeyNotIssued => "key_not_issued",
        }
    }
}
