//! What endpoints of SIP users can do, told to clients of partners (XEP-0030, XEP-0115).

use crate::{partner::Sent, scene::Scene};

const JULIET: &str = "juliet@fabrikam.example/balcony";
const ROMEO: &str = "romeo@contoso.example";
const CAPS: &str = "http://jabber.org/protocol/caps";
const INFO: &str = "http://jabber.org/protocol/disco#info";

fn ask(to: &str, node: Option<&str>) -> String {
    let node = node.map(|node| format!(" node='{node}'")).unwrap_or_default();
    format!("<iq type='get' id='d1' from='{JULIET}' to='{to}'><query xmlns='{INFO}'{node}/></iq>")
}

/// Category of the identity, and the features.
fn told(answer: &Sent) -> (String, Vec<String>) {
    let query = answer.envelope.batch.element(0).child("query", INFO).unwrap();
    let category = query.child("identity", INFO).unwrap().attribute("category").unwrap().into_owned();
    let features = query.children().filter_map(|child| child.attribute("var")).map(|var| var.into_owned());
    (category, features.collect())
}

#[tokio::test]
async fn presence_says_what_an_endpoint_can_do_and_a_question_about_it_is_answered() {
    let mut scene = Scene::start().await;
    let mut romeo = scene.registered("romeo").await;
    scene
        .edge
        .pass(&format!("<presence type='subscribe' from='juliet@fabrikam.example' to='{ROMEO}'/>"))
        .await
        .unwrap();
    assert_eq!(scene.edge.next().await.kind.as_deref(), Some("subscribed"));
    let shown = scene.edge.next().await;
    let caps = shown.envelope.batch.element(0).child("c", CAPS).unwrap();
    let of = |name: &str| caps.attribute(name).unwrap().into_owned();
    assert_eq!(of("hash"), "sha-1");
    let (endpoint, node) = (shown.from.clone(), format!("{}#{}", of("node"), of("ver")));
    shown.written();

    // What romeo's endpoint learns afterwards is not what that hash stands for.
    romeo.begin("sip:juliet@fabrikam.example", "Hi").await;
    scene.edge.next().await.written();
    romeo.response().await;
    let mut typing = romeo.text_request("sip:juliet@fabrikam.example", "");
    let body = "<isComposing xmlns='urn:ietf:params:xml:ns:im-iscomposing'><state>active</state></isComposing>";
    typing.set_body("application/im-iscomposing+xml", body).unwrap();
    romeo.ask(typing).await;
    scene.edge.next().await.written();
    for (to, node, expected) in [
        (endpoint.as_str(), Some(node.as_str()), ("client", vec![CAPS, INFO])),
        (endpoint.as_str(), None, ("client", vec![CAPS, "http://jabber.org/protocol/chatstates", INFO])),
        (ROMEO, None, ("account", vec![CAPS, "http://jabber.org/protocol/chatstates", INFO])),
    ] {
        scene.edge.pass(&ask(to, node)).await.unwrap();
        let answer = scene.edge.next().await;
        assert_eq!((answer.from.as_str(), answer.to.as_str()), (to, JULIET));
        let (category, features) = told(&answer);
        assert_eq!((category.as_str(), features.iter().map(String::as_str).collect()), expected, "{to} {node:?}");
        answer.written();
    }
    assert!(scene.edge.pass(&ask(&endpoint, Some("urn:legation:sip#other"))).await.is_err());
    scene.is_well().await;
}
