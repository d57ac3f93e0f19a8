use super::*;
use crate::xml::token::Borrows;

fn read(text: &str) -> Result<Batch, XmlFault> {
    Batch::from_xml(text).map_err(|error| error.fault)
}

#[test]
fn a_token_array_is_walked_without_the_text() {
    let batch = read("<message to='a@b' xmlns:x='u:x' x:k='v'><body>hi &amp; <![CDATA[<bye>]]></body><x:e/></message>")
        .unwrap();
    let message = batch.element(0);
    assert!(message.is("message", ns::SERVER));
    assert_eq!(message.attribute("to").as_deref(), Some("a@b"));
    assert_eq!(message.attribute("k"), None);
    assert_eq!(message.attribute_in("k", "u:x").as_deref(), Some("v"));
    assert_eq!(message.declaration("x"), Some("u:x"));
    let children: Vec<_> = message.children().map(|child| (child.name(), child.namespace())).collect();
    assert_eq!(children, [("body", ns::SERVER), ("e", "u:x")]);
    assert_eq!(message.child("body", ns::SERVER).unwrap().text(), "hi & <bye>");
    assert_eq!(message.text(), "");
}

#[test]
fn first_level_elements_know_what_their_content_borrows() {
    for (text, prefix, default) in [
        ("<a/>", false, false),
        ("<a>text</a>", false, false),
        ("<a><b/></a>", false, true),
        ("<a><b xmlns='u:b'><c/></b></a>", false, false),
        ("<a><b xmlns='u:b' xml:lang='en'/></a>", false, false),
        ("<a xmlns:p='u:p'><p:b/></a>", true, false),
        ("<a xmlns:p='u:p'><b xmlns='u:b' p:k='v'/></a>", true, false),
        ("<a xmlns:p='u:p'><p:b xmlns:p='u:q'/></a>", false, false),
        ("<a xmlns='u:a'><b/></a>", false, true),
    ] {
        let batch = read(text).unwrap();
        assert_eq!(batch.element(0).borrows(), Some(Borrows { prefix, default }), "{text}");
    }
}

#[test]
fn namespace_names_are_compared_unescaped() {
    let batch = read("<a xmlns='u:a&amp;b'><c xmlns='u:a&#38;b'/></a>").unwrap();
    let a = batch.element(0);
    assert_eq!(a.namespace(), "u:a&b");
    assert!(a.child("c", "u:a&b").is_some());
    assert_eq!(
        read("<a xmlns:p='u:a&amp;b' xmlns:q='u:a&#38;b' p:k='' q:k=''/>").unwrap_err(),
        XmlFault::DuplicateAttribute
    );
}

#[test]
fn counts_are_inclusive_limits() {
    let limits = Limits {
        element_bytes_max: 1_000,
        tag_bytes_max: 1_000,
        depth_max: 2,
        elements_max: 3,
        attributes_max: 2,
        bindings_max: 2,
        namespace_bytes_max: 4,
    };
    for (text, fault) in [
        ("<a><b/><c/></a>", None),
        ("<a><b/><c/><d/></a>", Some(XmlFault::ElementsExceeded)),
        ("<a><b><c/></b></a>", Some(XmlFault::DepthExceeded)),
        ("<a i='' k=''/>", None),
        ("<a i='' k='' l=''/>", Some(XmlFault::AttributesExceeded)),
        ("<a xmlns:p='1' xmlns:q='2'/>", None),
        ("<a xmlns:p='1' xmlns:q='2' xmlns:r='3'/>", Some(XmlFault::BindingsExceeded)),
        ("<a xmlns:p='1' xmlns:q='2'><b xmlns:r='3'/></a>", Some(XmlFault::BindingsExceeded)),
        ("<a xmlns:p='1'><b xmlns:r='3'/></a>", None),
        ("<a xmlns='1234'/>", None),
        ("<a xmlns='12345'/>", Some(XmlFault::BindingsExceeded)),
    ] {
        assert_eq!(batch_of(text.into(), &limits).err().map(|error| error.fault), fault, "{text}");
    }
}
