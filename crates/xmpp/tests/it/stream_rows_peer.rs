//! The partner's server, played line by line and without a line of ours: what it reads it reads with rxml, what it
//! writes is literal, what it decides it decides from the standards.
//!
//! It is the receiving, the initiating and the authoritative server of XEP-0220: keys that it has issued and questions
//! that are put to it meet in [`Partner`], which all of its connections share.

use rxml::{Event, Parse as _, Parser};

use crate::stream_rows_oracle::{Opinion, Peer, Use};

const TLS: &str = "urn:ietf:params:xml:ns:xmpp-tls";
const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";
const STREAM: &str = "http://etherx.jabber.org/streams";
const STREAMS: &str = "urn:ietf:params:xml:ns:xmpp-streams";
const DIALBACK: &str = "jabber:server:dialback";
/// base64("contoso.example").
const OUR_DOMAIN_IN_BASE64: &str = "Y29udG9zby5leGFtcGxl";

/// A first-level element, or the header.
#[derive(Clone, Debug, Default)]
struct Element {
    namespace: String,
    name: String,
    attributes: Vec<(String, String)>,
    text: String,
    /// Namespace, name and text of all that is inside.
    inside: Vec<(String, String, String)>,
}

impl Element {
    fn is(&self, name: &str, namespace: &str) -> bool {
        self.name == name && self.namespace == namespace
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn has(&self, name: &str, namespace: &str) -> bool {
        self.inside.iter().any(|(ns, inner, _)| inner == name && ns == namespace)
    }
}

enum Item {
    Header(Element),
    Element(Element),
    End,
}

/// Reads one stream.
struct Reader {
    parser: Parser,
    depth: usize,
    open: Element,
}

impl Reader {
    fn new() -> Self {
        Self { parser: Parser::new(), depth: 0, open: Element::default() }
    }

    fn read(&mut self, mut bytes: &[u8]) -> Vec<Item> {
        let mut items = Vec::new();
        while let Ok(Some(event)) = self.parser.parse(&mut bytes, false) {
            match event {
                Event::StartElement(_, (namespace, name), attributes) => {
                    self.depth += 1;
                    let (namespace, name) = (namespace.as_str().to_owned(), name.to_string());
                    if self.depth > 2 {
                        self.open.inside.push((namespace, name, String::new()));
                        continue;
                    }
                    let attributes = attributes.into_iter().map(|((_, name), value)| (name.to_string(), value));
                    let attributes = attributes.collect();
                    self.open = Element { namespace, name, attributes, ..Element::default() };
                    if self.depth == 1 {
                        items.push(Item::Header(std::mem::take(&mut self.open)));
                    }
                }
                Event::Text(_, text) if self.depth == 2 => self.open.text.push_str(&text),
                Event::Text(_, text) => {
                    if let Some((_, _, inner)) = self.open.inside.last_mut() {
                        inner.push_str(&text);
                    }
                }
                Event::EndElement(_) => {
                    self.depth -= 1;
                    match self.depth {
                        0 => items.push(Item::End),
                        1 => items.push(Item::Element(std::mem::take(&mut self.open))),
                        _ => {}
                    }
                }
                Event::XmlDeclaration(..) => {}
            }
        }
        items
    }
}

/// What a connection of the partner wants of the world.
#[derive(Debug)]
pub(crate) enum Wish {
    Send(String),
    /// The handshake, after what was sent before it.
    Tls,
    /// The end of TCP.
    HangUp,
    /// To ask our side about a key, on a connection of its own.
    Ask {
        id: String,
        key: String,
    },
    /// The answer that such a connection got.
    Answered(bool),
}

/// Why a connection exists.
#[derive(Clone, Debug)]
pub(crate) enum Role {
    /// We opened it.
    Accepts,
    /// The partner opened it, for stanzas.
    Dials,
    /// The partner opened it, to ask about this key of ours.
    Asks { id: String, key: String },
}

/// What the connections of the partner share.
pub(crate) struct Partner {
    pub(crate) peer: Peer,
    /// Does not ask what was offered: tries everything it knows.
    pub(crate) insists: bool,
    /// Keys issued, with the ids of the streams that they are for.
    issued: Vec<(String, String)>,
    streams: u32,
}

impl Partner {
    pub(crate) fn new(peer: Peer, insists: bool) -> Self {
        Self { peer, insists, issued: Vec::new(), streams: 0 }
    }
}

/// One connection of the partner.
pub(crate) struct Line {
    role: Role,
    reader: Reader,
    in_tls: bool,
    authenticated: bool,
    /// The id of the current stream, the partner's own or ours.
    id: String,
    offers_dialback: bool,
    /// Stanzas may pass, as this side understands it.
    pub(crate) is_open: bool,
    pub(crate) stanzas: usize,
    /// The condition of our stream error.
    pub(crate) error: Option<String>,
    /// Our closing tag came.
    pub(crate) ended: bool,
    over: bool,
}

impl Line {
    pub(crate) fn new(role: Role, in_tls: bool) -> Self {
        Self {
            role,
            reader: Reader::new(),
            in_tls,
            authenticated: false,
            id: String::new(),
            offers_dialback: false,
            is_open: false,
            stanzas: 0,
            error: None,
            ended: false,
            over: false,
        }
    }

    /// TCP, or direct TLS, is up: the initiating side says who it is.
    pub(crate) fn begin(&mut self, partner: &Partner) -> Vec<Wish> {
        match self.role {
            Role::Accepts => Vec::new(),
            Role::Dials | Role::Asks { .. } => vec![Wish::Send(header(partner, ""))],
        }
    }

    /// The handshake is done: both sides start again.
    pub(crate) fn tls_up(&mut self, partner: &Partner) -> Vec<Wish> {
        self.in_tls = true;
        self.reader = Reader::new();
        self.begin(partner)
    }

    /// The answer to a question about a key of ours.
    pub(crate) fn answered(&mut self, valid: bool) -> Vec<Wish> {
        self.is_open |= valid;
        let answer = if valid { "valid" } else { "invalid" };
        vec![Wish::Send(format!("<db:result from='fabrikam.example' to='contoso.example' type='{answer}'/>"))]
    }

    pub(crate) fn hear(&mut self, partner: &mut Partner, bytes: &[u8]) -> Vec<Wish> {
        let mut wishes = Vec::new();
        for item in self.reader.read(bytes) {
            match item {
                Item::Element(element) if element.is("error", STREAM) => {
                    let condition = element.inside.iter().find(|(ns, name, _)| ns == STREAMS && name != "text");
                    self.error = condition.map(|(_, name, _)| name.clone());
                }
                Item::End => {
                    self.ended = true;
                    if !self.over {
                        wishes.push(Wish::Send("</stream:stream>".to_owned()));
                        wishes.push(Wish::HangUp);
                    }
                }
                _ if self.over => {}
                Item::Header(header) => wishes.extend(self.header(partner, &header)),
                Item::Element(element) => wishes.extend(match self.role {
                    Role::Accepts => self.asked(partner, &element),
                    Role::Dials | Role::Asks { .. } => self.told(partner, &element),
                }),
            }
            self.over |= wishes.iter().any(|wish| matches!(wish, Wish::HangUp));
        }
        wishes
    }

    fn header(&mut self, partner: &mut Partner, header_: &Element) -> Vec<Wish> {
        assert!(header_.is("stream", STREAM) && header_.get("version") == Some("1.0"), "{header_:?}");
        if !matches!(self.role, Role::Accepts) {
            self.id = header_.get("id").expect("the receiving side names the stream").to_owned();
            return Vec::new();
        }
        partner.streams += 1;
        self.id = format!("theirs-{}", partner.streams);
        let peer = &partner.peer;
        let tls = format!("<starttls xmlns='{TLS}'/>");
        let tls_required = format!("<starttls xmlns='{TLS}'><required/></starttls>");
        let external = format!("<mechanisms xmlns='{SASL}'><mechanism>EXTERNAL</mechanism></mechanisms>");
        let dialback = "<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>";
        let dialback = if peer.dialback { dialback } else { "" };
        let features = match (self.authenticated, self.in_tls, peer.tls) {
            (true, ..) => {
                self.is_open = true;
                String::new()
            }
            (false, true, _) => format!("{}{dialback}", if peer.external { &external } else { "" }),
            (false, false, Use::Required) => tls_required,
            (false, false, Use::Optional) => format!("{tls}{dialback}"),
            (false, false, Use::NotSupported) => dialback.to_owned(),
        };
        let header = header(partner, &format!(" id='{}'", self.id));
        vec![Wish::Send(format!("{header}<stream:features>{features}</stream:features>"))]
    }

    /// The receiving and the authoritative server.
    fn asked(&mut self, partner: &mut Partner, element: &Element) -> Vec<Wish> {
        let peer = partner.peer;
        let key = element.text.trim().to_owned();
        match (element.namespace.as_str(), element.name.as_str()) {
            (TLS, "starttls") if !self.in_tls && peer.tls != Use::NotSupported => {
                vec![Wish::Send(format!("<proceed xmlns='{TLS}'/>")), Wish::Tls]
            }
            _ if !self.in_tls && peer.tls == Use::Required => error("policy-violation"),
            (SASL, "auth") if self.in_tls && element.get("mechanism") == Some("EXTERNAL") => {
                assert!([OUR_DOMAIN_IN_BASE64, "="].contains(&&*key), "{element:?}");
                match peer.opinion {
                    Opinion::Accepts => {
                        self.authenticated = true;
                        self.reader = Reader::new();
                        vec![Wish::Send(format!("<success xmlns='{SASL}'/>"))]
                    }
                    Opinion::HangsUp => {
                        let text = format!("<failure xmlns='{SASL}'><not-authorized/></failure></stream:stream>");
                        vec![Wish::Send(text), Wish::HangUp]
                    }
                    _ => vec![Wish::Send(format!("<failure xmlns='{SASL}'><not-authorized/></failure>"))],
                }
            }
            (DIALBACK, "result") if peer.dialback && element.get("type").is_none() => {
                assert_eq!(
                    (element.get("from"), element.get("to")),
                    (Some("contoso.example"), Some("fabrikam.example"))
                );
                vec![Wish::Ask { id: self.id.clone(), key }]
            }
            (DIALBACK, "verify") if element.get("type").is_none() => {
                let id = element.get("id").unwrap_or_default().to_owned();
                let valid = if partner.issued.contains(&(id.clone(), key)) { "valid" } else { "invalid" };
                vec![Wish::Send(format!(
                    "<db:verify from='fabrikam.example' to='contoso.example' id='{id}' type='{valid}'/>"
                ))]
            }
            ("jabber:server", "message") if self.is_open => {
                self.stanzas += 1;
                Vec::new()
            }
            _ => error("unsupported-stanza-type"),
        }
    }

    /// The initiating server.
    fn told(&mut self, partner: &mut Partner, element: &Element) -> Vec<Wish> {
        match (element.namespace.as_str(), element.name.as_str()) {
            (STREAM, "features") => self.features(partner, element),
            (TLS, "proceed") => vec![Wish::Tls],
            (SASL, "success") => {
                self.authenticated = true;
                self.reader = Reader::new();
                vec![Wish::Send(header(partner, ""))]
            }
            (SASL, "failure") => self.by_dialback(partner),
            (DIALBACK, "result") if element.get("type") == Some("valid") => self.open(),
            (DIALBACK, "verify") => {
                let Role::Asks { id, .. } = &self.role else { panic!("nobody asked: {element:?}") };
                assert_eq!(element.get("id"), Some(id.as_str()));
                let answered = Wish::Answered(element.get("type") == Some("valid"));
                vec![answered, Wish::Send("</stream:stream>".to_owned()), Wish::HangUp]
            }
            _ => leave(),
        }
    }

    fn features(&mut self, partner: &mut Partner, features: &Element) -> Vec<Wish> {
        let peer = partner.peer;
        self.offers_dialback = features.has("dialback", "urn:xmpp:features:dialback");
        if self.authenticated {
            return self.open();
        }
        if !self.in_tls {
            let starttls = features.has("starttls", TLS);
            match peer.tls {
                Use::Required | Use::Optional if starttls => {
                    return vec![Wish::Send(format!("<starttls xmlns='{TLS}'/>"))];
                }
                Use::Required => return error("policy-violation"),
                _ if features.has("required", TLS) && !partner.insists => return error("unsupported-feature"),
                _ => {}
            }
        }
        if let Role::Asks { id, key } = &self.role {
            let (from, to) = ("fabrikam.example", "contoso.example");
            return vec![Wish::Send(format!("<db:verify from='{from}' to='{to}' id='{id}'>{key}</db:verify>"))];
        }
        if self.in_tls && peer.opinion == Opinion::HangsUp {
            return leave();
        }
        let offered = features.inside.iter().any(|(_, name, text)| name == "mechanism" && text == "EXTERNAL");
        if partner.insists || peer.external && offered && peer.opinion == Opinion::Accepts {
            return vec![Wish::Send(format!("<auth xmlns='{SASL}' mechanism='EXTERNAL'>=</auth>"))];
        }
        self.by_dialback(partner)
    }

    fn by_dialback(&mut self, partner: &mut Partner) -> Vec<Wish> {
        if !(partner.insists || partner.peer.dialback && self.offers_dialback) {
            return leave();
        }
        let key = format!("key-for-{}", self.id);
        partner.issued.push((self.id.clone(), key.clone()));
        vec![Wish::Send(format!("<db:result from='fabrikam.example' to='contoso.example'>{key}</db:result>"))]
    }

    fn open(&mut self) -> Vec<Wish> {
        self.is_open = true;
        vec![Wish::Send(MESSAGE.to_owned())]
    }
}

const MESSAGE: &str = "<message from='bob@fabrikam.example' to='alice@contoso.example' type='chat'/>";

fn leave() -> Vec<Wish> {
    vec![Wish::Send("</stream:stream>".to_owned()), Wish::HangUp]
}

fn error(condition: &str) -> Vec<Wish> {
    let text = format!("<stream:error><{condition} xmlns='{STREAMS}'/></stream:error></stream:stream>");
    vec![Wish::Send(text), Wish::HangUp]
}

fn header(partner: &Partner, id: &str) -> String {
    let dialback = partner.peer.dialback || partner.insists;
    let dialback = if dialback { " xmlns:db='jabber:server:dialback'" } else { "" };
    format!(
        "<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='{STREAM}'{dialback} \
         from='fabrikam.example' to='contoso.example' version='1.0'{id}>"
    )
}
