use super::*;
use crate::message::{Method, Uri};

const USER: &str = "romeo@contoso.example";

struct Compositor {
    publications: Publications<&'static str>,
    now: Instant,
}

impl Compositor {
    #[expect(clippy::disallowed_methods, reason = "a starting point; nothing depends on its value")]
    fn new() -> Self {
        let limits = Limits { per_user_max: 2, publications_max: 3, ..Limits::default() };
        Self { publications: Publications::new(limits, [1; 32]), now: Instant::now() }
    }

    fn publish(&mut self, fields: &[(&str, &str)], content: Option<&'static str>) -> Result<Published, PublishError> {
        self.publish_of(USER, fields, content)
    }

    fn publish_of(
        &mut self,
        user: &str,
        fields: &[(&str, &str)],
        content: Option<&'static str>,
    ) -> Result<Published, PublishError> {
        let mut request = Request::new(Method::Publish, Uri::parse("sip:romeo@contoso.example").unwrap());
        for (name, value) in fields {
            request.headers.push_named(name, value).unwrap();
        }
        self.publications.publish(self.now, user, &request, content)
    }

    fn contents(&self) -> Vec<&'static str> {
        self.publications.contents(USER).copied().collect()
    }
}

/// RFC 3903 §4, table 1: initial, refresh, modify, remove.
#[test]
fn each_kind_of_publish_does_what_the_table_says_and_gives_a_new_tag() {
    let mut compositor = Compositor::new();
    let initial = compositor.publish(&[("Expires", "1800")], Some("open")).unwrap();
    assert_eq!((initial.expires_s, compositor.contents()), (1800, vec!["open"]));
    compositor.publications.take_changed();

    let refresh = compositor.publish(&[("SIP-If-Match", &initial.etag)], None).unwrap();
    assert_ne!(refresh.etag, initial.etag);
    assert_eq!((refresh.expires_s, compositor.contents()), (3600, vec!["open"]));
    assert!(compositor.publications.take_changed().is_empty(), "a refresh changes nothing");

    let modify = compositor.publish(&[("SIP-If-Match", &refresh.etag)], Some("away")).unwrap();
    assert_eq!(compositor.contents(), ["away"]);
    assert_eq!(compositor.publications.take_changed().len(), 1);

    let remove = compositor.publish(&[("SIP-If-Match", &modify.etag), ("Expires", "0")], None).unwrap();
    assert_eq!((remove.expires_s, compositor.contents().len()), (0, 0));
    assert_eq!(compositor.publications.take_changed().len(), 1);
    assert_eq!(compositor.publications.deadline(), None);
}

/// §6 step 3, §11.2.1: 412, and nothing is changed. §6 step 4: 423.
#[test]
fn what_is_not_taken_changes_nothing() {
    let mut compositor = Compositor::new();
    let first = compositor.publish(&[], Some("open")).unwrap();
    compositor.publish(&[("SIP-If-Match", &first.etag)], None).unwrap();
    for (fields, content, error) in [
        (vec![("SIP-If-Match", first.etag.as_str())], Some("away"), PublishError::ConditionFailed),
        (vec![("SIP-If-Match", "a"), ("SIP-If-Match", "b")], Some("away"), PublishError::SeveralTags),
        (vec![("SIP-If-Match", "a, b")], Some("away"), PublishError::SeveralTags),
        (vec![("Expires", "59")], Some("away"), PublishError::IntervalTooBrief(60)),
        (vec![], None, PublishError::NoBody),
    ] {
        assert_eq!(compositor.publish(&fields, content), Err(error));
        assert_eq!(compositor.contents(), ["open"]);
    }
    assert_eq!(PublishError::ConditionFailed.status().code(), 412);
    assert_eq!(PublishError::IntervalTooBrief(60).status().code(), 423);
}

#[test]
fn publications_end_in_their_time_and_that_is_a_change() {
    let mut compositor = Compositor::new();
    compositor.publish(&[("Expires", "60")], Some("short")).unwrap();
    compositor.publish(&[("Expires", "99999")], Some("long")).unwrap();
    assert_eq!(compositor.contents(), ["short", "long"], "the newest is last");
    compositor.publications.take_changed();
    assert_eq!(compositor.publications.deadline(), Some(compositor.now + Duration::from_secs(60)));
    compositor.publications.expire(compositor.now + Duration::from_secs(60));
    assert_eq!(compositor.contents(), ["long"]);
    assert_eq!(compositor.publications.take_changed().len(), 1);
    compositor.publications.expire(compositor.now + Duration::from_secs(7200));
    assert!(compositor.contents().is_empty());
}

#[test]
fn publications_of_a_user_and_in_all_are_bounded() {
    let mut compositor = Compositor::new();
    compositor.publish(&[], Some("1")).unwrap();
    compositor.publish(&[], Some("2")).unwrap();
    assert_eq!(compositor.publish(&[], Some("3")), Err(PublishError::TooMany));
    compositor.publish_of("hana@contoso.example", &[], Some("1")).unwrap();
    assert_eq!(compositor.publish_of("mina@contoso.example", &[], Some("1")), Err(PublishError::Full));
    compositor.publications.remove(USER);
    compositor.publish_of("mina@contoso.example", &[], Some("1")).unwrap();
}

#[test]
fn only_presence_is_published() {
    for (event, is_presence) in
        [("presence", true), ("presence;id=1", true), ("dialog", false), ("presence.winfo", false)]
    {
        let mut request = Request::new(Method::Publish, Uri::parse("sip:a@b.example").unwrap());
        request.headers.push(Name::Event, event).unwrap();
        assert_eq!(super::is_presence(&request), is_presence, "{event}");
    }
}
