//! What an internal domain itself answers: ping (XEP-0199), service discovery (XEP-0030), version (XEP-0092), and who to
//! write to (XEP-0157).

use lexicon::Jid;
use link::Receipt;
use xmpp::{
    stanza::{
        Condition, StanzaError, StanzaRef,
        build::{self, Head},
    },
    xml::{ElementRef, XmlWriter},
};

use super::Shard;

const INFO: &str = "http://jabber.org/protocol/disco#info";
const ITEMS: &str = "http://jabber.org/protocol/disco#items";
const PING: &str = "urn:xmpp:ping";
const VERSION: &str = "jabber:iq:version";
const DATA: &str = "jabber:x:data";
const SERVER_INFO: &str = "http://jabber.org/network/serverinfo";

/// What can be asked of a domain.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Asked {
    Info,
    Items,
    Ping,
    Version,
}

impl Shard {
    /// Answers an iq-get for an internal domain.
    pub(super) fn domain_iq(&mut self, stanza: &StanzaRef<'_>, from: &Jid, to: &Jid, receipt: Receipt) {
        let asked = stanza.element().children().next().map_or(Err(Condition::BadRequest), asked);
        let asked = match (asked, to.resource()) {
            (Ok(asked), None) => asked,
            (Ok(_), Some(_)) => return self.refuse(receipt, Condition::ServiceUnavailable.into()),
            (Err(condition), _) => return self.refuse(receipt, StanzaError::new(condition)),
        };
        let (sender, domain) = (from.to_string(), to.to_string());
        let head = Head { from: &domain, to: &sender, id: stanza.id() };
        let batch = build::iq_result(head, |writer| write(writer, asked, &self.contacts));
        self.counters.from_partners.answered();
        self.send_own(to.bare(), from.bare(), batch);
        receipt.done();
    }
}

fn asked(payload: ElementRef<'_>) -> Result<Asked, Condition> {
    let asked = match (payload.name(), payload.namespace()) {
        ("query", INFO) => Asked::Info,
        ("query", ITEMS) => Asked::Items,
        ("ping", PING) => Asked::Ping,
        ("query", VERSION) => Asked::Version,
        _ => return Err(Condition::ServiceUnavailable),
    };
    // XEP-0030 §7: there are no nodes here.
    if payload.attribute("node").is_some() { Err(Condition::ItemNotFound) } else { Ok(asked) }
}

fn write(writer: &mut XmlWriter, asked: Asked, contacts: &[String]) {
    match asked {
        Asked::Ping => {}
        Asked::Items => {
            writer.start("query", ITEMS).end();
        }
        Asked::Version => {
            writer.start("query", VERSION);
            writer.leaf("name", VERSION, "Legation").leaf("version", VERSION, env!("CARGO_PKG_VERSION"));
            writer.end();
        }
        Asked::Info => {
            writer.start("query", INFO);
            writer.start("identity", INFO).attribute("category", "gateway").attribute("type", "sip");
            writer.attribute("name", "Legation").end();
            for feature in [INFO, ITEMS, PING, VERSION] {
                writer.start("feature", INFO).attribute("var", feature).end();
            }
            write_contacts(writer, contacts);
            writer.end();
        }
    }
}

/// XEP-0157 §2: a form of the addresses to write to about this server.
fn write_contacts(writer: &mut XmlWriter, contacts: &[String]) {
    if contacts.is_empty() {
        return;
    }
    writer.start("x", DATA).attribute("type", "result");
    writer.start("field", DATA).attribute("var", "FORM_TYPE").attribute("type", "hidden");
    writer.leaf("value", DATA, SERVER_INFO).end();
    writer.start("field", DATA).attribute("var", "admin-addresses").attribute("type", "list-multi");
    for contact in contacts {
        writer.leaf("value", DATA, contact);
    }
    writer.end().end();
}

#[cfg(test)]
mod tests {
    use xmpp::xml::Batch;

    use super::*;

    fn ask(payload: &str) -> Result<Asked, Condition> {
        let batch = Batch::from_xml(payload.to_owned()).unwrap();
        asked(batch.element(0))
    }

    #[test]
    fn only_what_a_domain_knows_is_answered() {
        for (payload, result) in [
            ("<ping xmlns='urn:xmpp:ping'/>", Ok(Asked::Ping)),
            ("<query xmlns='http://jabber.org/protocol/disco#info'/>", Ok(Asked::Info)),
            ("<query xmlns='http://jabber.org/protocol/disco#items'/>", Ok(Asked::Items)),
            ("<query xmlns='jabber:iq:version'/>", Ok(Asked::Version)),
            ("<query xmlns='http://jabber.org/protocol/disco#info' node='x'/>", Err(Condition::ItemNotFound)),
            ("<query xmlns='jabber:iq:register'/>", Err(Condition::ServiceUnavailable)),
        ] {
            assert_eq!(ask(payload), result, "{payload}");
        }
    }

    #[test]
    fn service_discovery_names_a_gateway_its_features_and_its_contact() {
        let head = Head { from: "c.example", to: "j@f.example/b", id: Some("1") };
        let contacts = ["mailto:admin@c.example".to_owned()];
        let batch = build::iq_result(head, |writer| write(writer, Asked::Info, &contacts));
        let query = batch.element(0).child("query", INFO).unwrap();
        let identity = query.child("identity", INFO).unwrap();
        assert_eq!(identity.attribute("category").as_deref(), Some("gateway"));
        assert_eq!(query.children().filter(|child| child.name() == "feature").count(), 4);
        let form = query.child("x", DATA).unwrap();
        assert_eq!(form.children().nth(1).unwrap().child("value", DATA).unwrap().text(), "mailto:admin@c.example");
    }
}
