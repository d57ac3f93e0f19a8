//! Who sees what of a registrar user's presence, and when (RFC 6121 §3–4, RFC 3903, partner-policy §3).

use super::*;

const PIDF_AWAY: &str = "<presence xmlns='urn:ietf:params:xml:ns:pidf' entity='pres:romeo@contoso.example'>\
    <tuple id='desk'><status><basic>open</basic><show xmlns='jabber:client'>away</show></status>\
    <note>At lunch</note></tuple></presence>";

impl Bench {
    /// A presence stanza of juliet's for romeo comes.
    pub(super) async fn juliet_sends(&mut self, kind: &str) {
        self.partner_sends(&format!(
            "<presence from='juliet@fabrikam.example' to='romeo@contoso.example' type='{kind}'/>"
        ))
        .await;
    }

    /// A stanza of the partner's comes over the link.
    pub(super) async fn partner_sends(&mut self, xml: &str) {
        let domain = |text: &str| Domain::parse(text).unwrap();
        let pair = DomainPair { local: domain("contoso.example"), remote: domain("fabrikam.example") };
        let (other_end, far) = link::local(1);
        self.port = other_end.link.port(1);
        self.port.try_send(pair, Batch::from_xml(xml.to_owned()).unwrap(), self.shard.now.instant + USE).unwrap();
        let mut inbox = far.inbox;
        let envelope = inbox.receive().await.unwrap();
        self.shard.envelope(envelope);
        self.shard.drain();
    }

    /// She asks to see his presence, and that is stored.
    async fn juliet_watches(&mut self) {
        self.juliet_sends("subscribe").await;
        self.store_write().await;
    }

    /// What left for the partner since: from, type or show, status.
    pub(super) async fn told(&mut self) -> Vec<String> {
        let mut told = Vec::new();
        while let Ok(Some(envelope)) = tokio::time::timeout(Duration::from_millis(20), self.edge.inbox.receive()).await
        {
            for element in envelope.batch.elements() {
                let stanza = StanzaRef::of(element).unwrap();
                let child =
                    |name: &str| element.children().find(|child| child.name() == name).map(|child| child.text());
                let words = [
                    stanza.from().map(|from| from.trim_start_matches("romeo@contoso.example").to_owned()),
                    Some(stanza.stanza_type().unwrap_or("available").to_owned()),
                    child("show").map(|text| text.into_owned()),
                    child("status").map(|text| text.into_owned()),
                ];
                let words: Vec<_> = words.into_iter().flatten().filter(|word| !word.is_empty()).collect();
                told.push(words.join(" "));
            }
            envelope.receipts.settle_all(&Settled::Done);
        }
        told
    }

    fn publish(&mut self, fields: &[(&str, &str)], body: &str) -> Response {
        let mut request = self.request(Method::Publish, ROMEO, ROMEO);
        request.headers.push(Name::Event, "presence").unwrap();
        for (name, value) in fields {
            request.headers.push_named(name, value).unwrap();
        }
        if !body.is_empty() {
            request.set_body("application/pidf+xml", body.to_owned()).unwrap();
        }
        self.send(request);
        self.response()
    }

    fn unregister(&mut self) {
        let mut request = self.request(Method::Register, "sip:contoso.example", ROMEO);
        request.headers.push(Name::Contact, "<sip:romeo@192.0.2.7:5070;transport=tcp>;expires=0").unwrap();
        self.send(request);
        assert_eq!(self.status(), 200);
        self.shard.tick();
    }

    /// Fabrikam becomes a partner of this type.
    async fn partner_becomes(&mut self, kind: PartnerType) {
        let mut partner = self.shard.store.partners().await.unwrap().remove(0).partner;
        partner.partner_type = kind;
        self.shard.store.set_partner(&Actor::new("test", "test"), None, &partner).await.unwrap();
        self.snapshots.send_replace(Some(Arc::new(self.shard.store.snapshot().await.unwrap())));
        self.shard.edge_changed();
    }
}

const USE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_federated_user_who_adds_sees_presence_without_anybodys_approval() {
    let mut bench = Bench::new(64).await;
    bench.register();
    bench.pass(Duration::ZERO);
    bench.juliet_watches().await;
    assert_eq!(bench.told().await, ["subscribed", "/sip available"]);
    assert_eq!(bench.outcome(), Some(Ok(())));
    bench.unregister();
    assert_eq!(bench.told().await, [""; 0], "not more often than every 5 s");
    bench.pass(Duration::from_secs(5));
    assert_eq!(bench.told().await, ["/sip unavailable"]);
    bench.pass(Duration::from_secs(60));
    assert_eq!(bench.told().await, [""; 0]);
    let ledger = bench.shard.counters.snapshot().from_partners;
    assert!(ledger.is_balanced() && ledger.queued == 0, "{ledger:?}");
}

/// RFC 6121 §4.3.2: a probe is answered with what there is; §3.1.3: a repeated request is answered again.
#[tokio::test]
async fn who_watches_may_ask_again() {
    let mut bench = Bench::new(64).await;
    bench.juliet_watches().await;
    assert_eq!(bench.told().await, ["subscribed", "unavailable"]);
    bench.register();
    bench.pass(Duration::ZERO);
    assert_eq!(bench.told().await, ["/sip available"]);
    bench.juliet_sends("probe").await;
    assert_eq!(bench.told().await, ["/sip available"]);
    bench.juliet_sends("subscribe").await;
    assert_eq!(bench.told().await, ["subscribed", "/sip available"]);
}

#[tokio::test]
async fn a_probe_of_a_federated_stranger_counts_as_a_request() {
    let mut bench = Bench::new(64).await;
    bench.juliet_sends("probe").await;
    bench.store_write().await;
    assert_eq!(bench.told().await, ["subscribed", "unavailable"]);
}

#[tokio::test]
async fn who_unsubscribes_is_told_that_it_ended_and_nothing_more() {
    let mut bench = Bench::new(64).await;
    bench.register();
    bench.pass(Duration::ZERO);
    bench.juliet_watches().await;
    bench.told().await;
    bench.juliet_sends("unsubscribe").await;
    bench.store_write().await;
    assert_eq!(bench.told().await, ["/sip unavailable", "unsubscribed"]);
    bench.unregister();
    bench.pass(Duration::from_secs(10));
    bench.juliet_sends("unsubscribe").await;
    assert_eq!(bench.told().await, [""; 0]);
}

/// Notes pass to federated partners alone, and a change of type is told at once.
#[tokio::test]
async fn what_is_published_is_shown_as_the_partner_type_permits() {
    let mut bench = Bench::new(64).await;
    bench.register();
    bench.pass(Duration::ZERO);
    bench.juliet_watches().await;
    bench.told().await;
    let published = bench.publish(&[("Expires", "600")], PIDF_AWAY);
    assert_eq!((published.status.code(), published.headers.expires()), (200, Some(600)));
    bench.pass(Duration::from_secs(5));
    assert_eq!(bench.told().await, ["/desk available away At lunch", "/sip unavailable"]);
    bench.partner_becomes(PartnerType::PublicVerified).await;
    let told = bench.told().await;
    assert_eq!(told.first().map(String::as_str), Some("/desk available away"), "{told:?}");
    bench.partner_becomes(PartnerType::PublicUnverified).await;
    assert_eq!(bench.told().await, ["/desk unavailable"], "romeo has not added her");
    let etag = published.headers.named("SIP-ETag").unwrap().to_owned();
    assert_eq!(bench.publish(&[("SIP-If-Match", &etag), ("Expires", "0")], "").status.code(), 200);
    assert_eq!(bench.publish(&[("SIP-If-Match", &etag)], "").status.code(), 412);
}

/// What is written to the audit as blocked ends what the partner's user sees.
#[tokio::test]
async fn a_block_ends_what_is_seen_and_its_end_shows_it_again() {
    let mut bench = Bench::new(64).await;
    bench.register();
    bench.pass(Duration::ZERO);
    bench.juliet_watches().await;
    bench.told().await;
    let (romeo, juliet) = (address("romeo@contoso.example"), address("juliet@fabrikam.example"));
    let (actor, store) = (Actor::new("test", "test"), bench.shard.store.clone());
    let row = store.block_contact(&actor, &romeo, &juliet).await.unwrap();
    bench.shard.changed(Change::Contacts(vec![row]));
    assert_eq!(bench.told().await, ["/sip unavailable"]);
    bench.juliet_sends("probe").await;
    assert_eq!(bench.told().await, [""; 0]);
    let row = store.unblock_contact(&actor, &romeo, &juliet).await.unwrap();
    bench.shard.changed(Change::Contacts(vec![row]));
    assert_eq!(bench.told().await, ["/sip available"]);
}

/// RFC 3903 §6, and the bad input: each the standard's error.
#[tokio::test]
async fn a_publish_that_cannot_be_taken_gets_the_standards_error() {
    let mut bench = Bench::new(64).await;
    bench.register();
    let document_type = "<!DOCTYPE p [<!ENTITY a 'b'>]><presence xmlns='urn:ietf:params:xml:ns:pidf'/>";
    for body in [document_type, "<presence xmlns='urn:wrong'/>", "{}"] {
        assert_eq!(bench.publish(&[], body).status.code(), 400, "{body}");
    }
    let brief = bench.publish(&[("Expires", "1")], PIDF_AWAY);
    assert_eq!((brief.status.code(), brief.headers.first(Name::MinExpires)), (423, Some("60")));
    assert_eq!(bench.publish(&[], "").status.code(), 400);
    let mut other_event = bench.request(Method::Publish, ROMEO, ROMEO);
    other_event.headers.push(Name::Event, "dialog").unwrap();
    bench.send(other_event);
    let response = bench.response();
    assert_eq!((response.status.code(), response.headers.first(Name::AllowEvents)), (489, Some("presence")));
    let mut html = bench.request(Method::Publish, ROMEO, ROMEO);
    html.headers.push(Name::Event, "presence").unwrap();
    html.set_body("text/html", "<p>").unwrap();
    bench.send(html);
    assert_eq!(bench.status(), 415);
    let mut anothers = bench.request(Method::Publish, JULIET, ROMEO);
    anothers.headers.push(Name::Event, "presence").unwrap();
    bench.send(anothers);
    assert_eq!(bench.status(), 403);
}

/// Watchers remember what they were told before a restart.
#[tokio::test]
async fn who_has_not_come_back_a_minute_after_a_start_is_told_to_be_gone() {
    let mut bench = Bench::new(64).await;
    let row = bench
        .shard
        .store
        .contact_step(&address("romeo@contoso.example"), &address("juliet@fabrikam.example"), store::Step::Authorised)
        .await
        .unwrap();
    bench.shard.book.take_contact(&row);
    bench.pass(Duration::from_secs(59));
    assert_eq!(bench.told().await, [""; 0]);
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.told().await, ["unavailable"]);
}

/// What the link has no room for waits, and is told as things stand when there is room again.
#[tokio::test]
async fn presence_waits_for_room_on_the_link() {
    let mut bench = Bench::new(1).await;
    bench.juliet_watches().await;
    assert!(bench.shard.presence.is_holding(), "the one place is taken by `subscribed`");
    bench.register();
    bench.pass(Duration::ZERO);
    assert_eq!(bench.told().await, ["subscribed"]);
    let settlement = bench.shard.port.settlement().await;
    bench.shard.settlement(settlement);
    bench.shard.tick();
    assert_eq!(bench.told().await, ["/sip available"]);
    assert!(!bench.shard.presence.is_holding());
}
