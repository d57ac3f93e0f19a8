//! Any document, well-formed or damaged, in any chunks: the same frames, and never more than the oracle accepts.

use proptest::{collection::vec, option, prelude::*};
use xmpp::xml::Framing;

use crate::fuzz_targets::{framer, tokenizer};

/// Pieces of which names, values and text are made; some are wrong in some places.
const PIECES: &[&str] = &[
    "a",
    "b",
    "x1",
    "é",
    "日本",
    " ",
    "\t",
    "\n",
    "\r\n",
    "\r",
    "&amp;",
    "&lt;",
    "&#65;",
    "&#x1F600;",
    "&quot;",
    "]",
    "]]",
    ">",
    "'",
    "\u{feff}",
    "\u{7f}",
    "\u{85}",
    "\u{fffd}",
    "/",
    "=",
];

/// Bytes that damage is made of.
const DAMAGE: &[&[u8]] = &[
    b"<",
    b">",
    b"&",
    b"'",
    b"\"",
    b"/",
    b"=",
    b":",
    b"!",
    b"?",
    b"]",
    b"]]>",
    b"<!--",
    b"-->",
    b"<?x?>",
    b"<![CDATA[",
    b" ",
    b"\r",
    b"\0",
    b"\x1f",
    b"\xff",
    b"\xc3",
    b"\xef\xbf\xbe",
    b"&x;",
    b"&#0;",
    b"xmlns=''",
    b" xmlns:p=''",
    b" p:a='1'",
    b"</a>",
    b"<a>",
    b"<a/>",
    b"xmlns",
    b"xml:",
];

#[derive(Clone, Debug)]
enum Node {
    Element { name: String, attributes: Vec<(String, String)>, children: Vec<Self> },
    Text(String),
    CData(String),
}

fn text() -> impl Strategy<Value = String> {
    vec(prop::sample::select(PIECES), 0..5).prop_map(|pieces| pieces.concat())
}

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(&["a", "b", "message", "p:a", "p:b", "q:é", "stream:x", "xml:y", "_1.-"][..])
        .prop_map(Into::into)
}

fn attribute() -> impl Strategy<Value = (String, String)> {
    let names = &["to", "from", "p:k", "q:k", "xml:lang", "k", "é"][..];
    let bindings = &["xmlns", "xmlns:p", "xmlns:q"][..];
    let namespaces = &["", "urn:p", "urn:q", "jabber:server", "urn:&amp;"][..];
    prop_oneof![
        (prop::sample::select(names).prop_map(String::from), text().prop_map(|text| text.replace('\'', ""))),
        (
            prop::sample::select(bindings).prop_map(String::from),
            prop::sample::select(namespaces).prop_map(String::from)
        ),
    ]
}

fn node() -> impl Strategy<Value = Node> {
    let leaf = prop_oneof![text().prop_map(Node::Text), text().prop_map(Node::CData)];
    leaf.prop_recursive(4, 12, 3, |inner| {
        (name(), vec(attribute(), 0..4), vec(inner, 0..3)).prop_map(|(name, attributes, children)| Node::Element {
            name,
            attributes,
            children,
        })
    })
}

fn write(node: &Node, out: &mut String) {
    match node {
        Node::Text(text) => out.push_str(&text.replace("]]>", "]] >")),
        Node::CData(text) => {
            out.push_str("<![CDATA[");
            out.push_str(text);
            out.push_str("]]>");
        }
        Node::Element { name, attributes, children } => {
            out.push('<');
            out.push_str(name);
            for (name, value) in attributes {
                out.push_str(&format!(" {name}='{value}'"));
            }
            if children.is_empty() {
                return out.push_str("/>");
            }
            out.push('>');
            children.iter().for_each(|child| write(child, out));
            out.push_str(&format!("</{name}>"));
        }
    }
}

fn elements() -> impl Strategy<Value = String> {
    let element = (name(), vec(attribute(), 0..4), vec(node(), 0..3))
        .prop_map(|(name, attributes, children)| Node::Element { name, attributes, children });
    (vec(element, 0..4), prop::sample::select(&["", " ", "\n"][..])).prop_map(|(elements, space)| {
        let mut out = String::new();
        for element in &elements {
            write(element, &mut out);
            out.push_str(space);
        }
        out
    })
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    let declarations = &["", "<?xml version='1.0'?>", "<?xml version=\"1.0\" encoding='UTF-8' ?>\n", "\n"][..];
    (prop::sample::select(declarations), elements()).prop_map(|(declaration, elements)| {
        let open = "<stream:stream xmlns='jabber:server' xmlns:p='urn:p' xmlns:stream='urn:s'>";
        format!("{declaration}{open}{elements}</stream:stream>").into_bytes()
    })
}

fn damaged(bytes: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let wound = (any::<prop::sample::Index>(), prop::sample::select(DAMAGE), any::<bool>());
    (bytes, vec(wound, 0..3)).prop_map(|(mut bytes, wounds)| {
        for (at, damage, replace) in wounds {
            let at = at.index(bytes.len() + 1);
            let end = if replace { (at + damage.len()).min(bytes.len()) } else { at };
            bytes.splice(at..end, damage.iter().copied());
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_024))]

    /// The target compares chunkings with each other and what is accepted with the oracle.
    #[test]
    fn any_stream_is_framed_alike_in_any_chunks(stream in damaged(stream()), size in any::<u8>()) {
        framer::run(&[&[size], &stream[..]].concat());
    }

    #[test]
    fn any_cut_gives_the_same_reading(stream in damaged(stream()), cuts in vec(any::<prop::sample::Index>(), 0..6)) {
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.sort_unstable();
        let ends = cuts.iter().copied().chain([stream.len()]);
        let starts = [0].into_iter().chain(cuts.iter().copied());
        let chunks: Vec<_> = starts.zip(ends).map(|(start, end)| &stream[start..end]).collect();
        let whole = framer::read([&stream[..]], Framing::Batched, framer::LIMITS);
        prop_assert_eq!(framer::read(chunks, Framing::Batched, framer::LIMITS), whole);
    }

    #[test]
    fn any_accepted_element_means_the_same_when_copied(bytes in damaged(elements().prop_map(String::into_bytes))) {
        tokenizer::run(&bytes);
    }

    #[test]
    fn no_bytes_make_the_readers_panic(bytes in vec(any::<u8>(), 0..200), header in option::of(Just(()))) {
        let stream = match header {
            Some(()) => [b"\x03<s xmlns='u'>", &bytes[..]].concat(),
            None => bytes.clone(),
        };
        framer::run(&stream);
        tokenizer::run(&bytes);
    }
}
