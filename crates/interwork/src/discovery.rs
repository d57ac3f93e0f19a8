//! What a SIP user's endpoints can do, for clients of partners: `disco#info` (XEP-0030) and its hash in presence (XEP-0115).
//!
//! What is not listed clients keep back: chat states (XEP-0085 §4), requests for receipts (XEP-0184 §6). An answer to a
//! question about a hash says what that hash stands for, also if the endpoints have changed since.

use data_encoding::BASE64;
use sha1::{Digest as _, Sha1};
use xmpp::{
    stanza::build::{self, Head},
    xml::{Batch, ElementRef, XmlWriter},
};

use crate::{imdn::RECEIPTS, typing::CHAT_STATES};

/// The namespace of questions and answers.
pub const INFO: &str = "http://jabber.org/protocol/disco#info";

const CAPS: &str = "http://jabber.org/protocol/caps";

/// Says whose hashes these are: this program's.
const NODE: &str = "urn:legation:sip";

/// Category and type of a user, and of one of their endpoints.
const ACCOUNT: (&str, &str) = ("account", "registered");
const ENDPOINT: (&str, &str) = ("client", "phone");

/// What endpoints of a SIP user take beside text.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Abilities {
    /// Word of typing.
    pub typing: bool,
    /// Requests to tell what became of a message.
    pub receipts: bool,
}

/// A question about a user or an endpoint.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Question<'a> {
    /// What they can do now.
    Now,
    /// What a hash in their presence stands for; with the node as asked.
    Hash(&'a str, Abilities),
}

impl Abilities {
    const ALL: [Self; 4] = [
        Self { typing: false, receipts: false },
        Self { typing: true, receipts: false },
        Self { typing: false, receipts: true },
        Self { typing: true, receipts: true },
    ];

    /// In the order of their octets, as the hash wants them (XEP-0115 §5.1).
    fn features(self) -> Vec<&'static str> {
        let mut features = vec![CAPS];
        features.extend(self.typing.then_some(CHAT_STATES));
        features.push(INFO);
        features.extend(self.receipts.then_some(RECEIPTS));
        features
    }

    fn hash(self) -> String {
        let (category, kind) = ENDPOINT;
        verification(&format!("{category}/{kind}//"), &self.features())
    }

    /// The element for the presence of an endpoint.
    pub fn write(self, writer: &mut XmlWriter) {
        let element = writer.start("c", CAPS).attribute("hash", "sha-1").attribute("node", NODE);
        element.attribute("ver", &self.hash()).end();
    }

    /// The answer to a question about a user, or about an endpoint if it was asked at a full address.
    pub fn answer(self, head: Head<'_>, question: Question<'_>, is_endpoint: bool) -> Batch {
        let (node, abilities) = match question {
            Question::Now => (None, self),
            Question::Hash(node, abilities) => (Some(node), abilities),
        };
        let (category, kind) = if is_endpoint { ENDPOINT } else { ACCOUNT };
        build::iq_result(head, |writer| {
            writer.start("query", INFO).attribute_if("node", node);
            writer.start("identity", INFO).attribute("category", category).attribute("type", kind).end();
            for feature in abilities.features() {
                writer.start("feature", INFO).attribute("var", feature).end();
            }
            writer.end();
        })
    }
}

/// Reads the payload of a question; `node` is room for the node that was asked. None if it is no question that we answer.
pub fn read<'a>(payload: ElementRef<'_>, node: &'a mut String) -> Option<Question<'a>> {
    if !payload.is("query", INFO) {
        return None;
    }
    let Some(asked) = payload.attribute("node") else { return Some(Question::Now) };
    let hash = asked.strip_prefix(NODE)?.strip_prefix('#')?;
    let abilities = Abilities::ALL.into_iter().find(|abilities| abilities.hash() == hash)?;
    node.push_str(&asked);
    Some(Question::Hash(node, abilities))
}

/// XEP-0115 §5.1, for one identity without a name.
fn verification(identity: &str, features: &[&str]) -> String {
    let mut text = format!("{identity}<");
    for feature in features {
        text.push_str(feature);
        text.push('<');
    }
    BASE64.encode(&Sha1::digest(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_standard_has_its_hash() {
        let features = [
            "http://jabber.org/protocol/caps",
            "http://jabber.org/protocol/disco#info",
            "http://jabber.org/protocol/disco#items",
            "http://jabber.org/protocol/muc",
        ];
        // XEP-0115 §5.2.
        assert_eq!(verification("client/pc//Exodus 0.9.1", &features), "QgayPKawpkPSDYmwT/WM94uAlu0=");
    }

    #[test]
    fn features_stand_in_the_order_of_their_octets_and_hashes_differ() {
        for abilities in Abilities::ALL {
            assert!(abilities.features().is_sorted(), "{abilities:?}");
            let same = Abilities::ALL.into_iter().filter(|other| other.hash() == abilities.hash());
            assert_eq!(same.collect::<Vec<_>>(), [abilities]);
        }
    }

    #[test]
    fn a_question_about_a_hash_is_answered_with_what_it_stands_for() {
        let known = Abilities { typing: true, receipts: false };
        let ask = |node: &str| {
            let query = format!("<query xmlns=\"{INFO}\" node=\"{node}\"/>");
            let batch = Batch::from_xml(query.into_bytes()).unwrap();
            let mut room = String::new();
            match read(batch.element(0), &mut room) {
                Some(Question::Hash(node, abilities)) => Some((node.to_owned(), abilities)),
                Some(Question::Now) => panic!("a node was asked"),
                None => None,
            }
        };
        let node = format!("{NODE}#{}", known.hash());
        assert_eq!(ask(&node), Some((node.clone(), known)));
        for other in ["", NODE, "urn:legation:sip#x", "http://psi-im.org#q07IKJEyjvHSyhy//CH0CxmKi8w="] {
            assert_eq!(ask(other), None, "{other}");
        }
        let head = Head { from: "a@c.example/desk", to: "b@f.example/x", id: Some("1") };
        let batch = Abilities::default().answer(head, Question::Hash(&node, known), true);
        let query = batch.element(0).child("query", INFO).unwrap();
        assert_eq!(query.attribute("node").as_deref(), Some(node.as_str()));
        let features: Vec<_> = query.children().filter_map(|child| child.attribute("var")).collect();
        assert_eq!(features, known.features());
    }
}
