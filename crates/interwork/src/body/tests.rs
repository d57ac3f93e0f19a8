use proptest::prelude::*;

use super::*;

fn of(content_type: &str, body: &[u8]) -> Result<String, BodyError> {
    text(&Media::read(content_type).unwrap(), body)
}

fn html(body: &str) -> String {
    html::to_text(body)
}

#[test]
fn html_becomes_the_text_that_a_reader_sees() {
    for (body, seen) in [
        ("plain", "plain"),
        ("<b>a</b>\r\n  <i>b</i>", "a b"),
        ("a<br>b<BR/>c<br />d", "a\nb\nc\nd"),
        ("<div>a</div><div>b</div>c", "a\nb\nc"),
        ("<p>a</p>\n<p>b</p>\n", "a\nb"),
        ("a<br><br><br><br>b", "a\n\nb"),
        ("<div>a</div><br><div>b</div>", "a\n\nb"),
        ("<ul><li>one</li><li>two</li></ul>end", "one\ntwo\nend"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc"),
        ("<pre>  a\n b</pre>", "a\n b"),
        ("x<pre>  a\r\n b</pre>y  z", "x\n  a\n b\ny z"),
        ("a&nbsp;&nbsp;b &lt;c&gt; &amp;amp;", "a  b <c> &amp;"),
        ("<img src='x' alt='smile'> hello", "smile hello"),
        ("", ""),
        ("<html><head><title>t</title></head><body></body></html>", ""),
    ] {
        assert_eq!(html(body), seen, "{body}");
    }
}

#[test]
fn what_no_reader_sees_is_dropped() {
    for (body, seen) in [
        ("a<script>alert('<b>')</script>b", "ab"),
        ("a<SCRIPT src=x>if (a</b) {}</sCript >b", "ab"),
        ("<style>p { color: red }</style>a", "a"),
        ("a<script>never ends", "a"),
        ("a<scripture>b", "ab"),
        ("<script></scripts>x</script>a", "a"),
        ("a<!-- <b>no</b> -->b<!--[if mso]>c<![endif]-->d", "abd"),
        ("a<!-- never ends", "a"),
        ("<!DOCTYPE html><?xml version='1.0'?>a<![endif]>", "a"),
        ("<a onclick='x > y' title=\"</a>\">a</a>", "a"),
    ] {
        assert_eq!(html(body), seen, "{body}");
    }
}

#[test]
fn what_is_no_tag_stays() {
    for (body, seen) in [
        ("a < b > c", "a < b > c"),
        ("1<2", "1<2"),
        ("a <b", "a <b"),
        ("<3 & <>", "<3 & <>"),
        ("<a x=\"1>b", "b"),
        ("<p it's>a</p>", "a"),
    ] {
        assert_eq!(html(body), seen, "{body}");
    }
}

#[test]
fn a_link_tells_where_it_leads_if_its_text_does_not() {
    for (body, seen) in [
        ("<a href='https://a.example/'>https://a.example</a>", "https://a.example"),
        ("<a href=\"http://www.a.example/\">www.a.example</a>", "www.a.example"),
        ("<a href=mailto:r@a.example>r@a.example</a>", "r@a.example"),
        ("see <a href='https://a.example/?x=1&amp;y=2'>this</a>!", "see this (https://a.example/?x=1&y=2)!"),
        ("<a href='https://evil.example/'>https://bank.example/</a>", "https://bank.example/ (https://evil.example/)"),
        ("<a href='javascript:alert(1)'>click</a>", "click"),
        ("<a href=' JavaScript:alert(1)'>click</a>", "click"),
        ("<a href='data:text/html,x'>click</a><a href='file:///x'>f</a><a href='/x'>r</a>", "clickfr"),
        ("<a href='https://a.example/\n<b>'>x</a>", "x"),
        ("<a href='https://a.example/'><img src=x></a>", "https://a.example/"),
        (
            "<a href='https://a.example/'>one<a href='https://b.example/'>two",
            "one (https://a.example/)two (https://b.example/)",
        ),
        ("<a name=x>a</a> <a HREF = 'https://a.example/'>b </a>c", "a b (https://a.example/) c"),
        ("<abbr href='https://a.example/'>a</abbr>", "a"),
    ] {
        assert_eq!(html(body), seen, "{body}");
    }
    let long = format!("<a href='https://a.example/{}'>x</a>", "y".repeat(2048));
    assert_eq!(html(&long), "x");
}

/// What would take a reader with a stack or a scan for each tag minutes, if it came back at all.
#[test]
fn deep_or_broken_html_takes_one_pass() {
    let size = 65_536;
    for unit in
        ["<div>", "<a ", "<a x=\"", "<a x='><b y=\">", "<", "</", "<!--", "<script>", "<pre>", "&", "&#", "<a href='"]
    {
        let _text = html(&unit.repeat(size / unit.len()));
    }
    assert_eq!(html(&format!("{}a{}", "<div>".repeat(10_000), "</div>".repeat(10_000))), "a");
}

/// The shape of a body that Lync sends, written from the gateway's reference ("Later messages"); no capture was at hand.
#[test]
fn of_alternatives_the_plain_text_is_taken() {
    let both = "--x\r\nContent-Type: text/html; charset=UTF-8\r\n\r\n<b>rich</b>\r\n--x\r\nContent-Type: text/plain;\r\n \
                charset=UTF-8;msgr=WAAtAE0ATQBTAA==\r\nContent-Transfer-Encoding: base64\r\n\r\ncGxhaW4=\r\n--x--\r\n";
    assert_eq!(of("multipart/alternative; boundary=\"x\"", both.as_bytes()).unwrap(), "plain");
    let rich =
        "--x\r\nContent-Type: text/rtf\r\n\r\n{\\rtf1}\r\n--x\r\nContent-Type: text/html\r\n\r\n<b>rich</b>\r\n--x--";
    assert_eq!(of("multipart/alternative; boundary=x", rich.as_bytes()).unwrap(), "rich");
    let unreadable =
        "--x\r\nContent-Type: text/plain;charset=koi8-r\r\n\r\na\r\n--x\r\nContent-Type: text/html\r\n\r\nb\r\n--x--";
    assert_eq!(of("multipart/alternative; boundary=x", unreadable.as_bytes()).unwrap(), "b");
    let rtf = "--x\r\nContent-Type: text/rtf\r\n\r\n{\\rtf1}\r\n--x--";
    assert_eq!(of("multipart/alternative; boundary=x", rtf.as_bytes()), Err(BodyError::ContentType));
    assert_eq!(of("multipart/alternative", b"--x--"), Err(BodyError::Malformed));
}

fn nested(levels: usize) -> String {
    let mut body = "--b0\r\n\r\ndeep\r\n--b0--".to_owned();
    for level in 1..levels {
        let inner = level - 1;
        body = format!(
            "--b{level}\r\nContent-Type: multipart/alternative;boundary=b{inner}\r\n\r\n{body}\r\n--b{level}--\r\n"
        );
    }
    body
}

#[test]
fn alternatives_nest_three_deep() {
    assert_eq!(of("multipart/alternative;boundary=b2", nested(3).as_bytes()).unwrap(), "deep");
    assert_eq!(of("multipart/alternative;boundary=b3", nested(4).as_bytes()), Err(BodyError::ContentType));
}

#[test]
fn other_types_are_refused() {
    for content_type in
        ["text/rtf", "multipart/mixed;boundary=x", "multipart/related;boundary=x", "message/cpim", "image/gif"]
    {
        assert_eq!(of(content_type, b"--x\r\n\r\na\r\n--x--"), Err(BodyError::ContentType), "{content_type}");
    }
    assert_eq!(of("text/html", b"<p>&#32;</p>"), Err(BodyError::Empty));
    assert_eq!(of("text/html;charset=ISO-8859-1", b"f\xfc&uuml;").unwrap(), "f\u{fc}\u{fc}");
}

proptest! {
    #[test]
    fn any_html_has_a_bounded_text(html_text in "(<|>|&|;|/|\"|'|=|a|br|p|script|!--|--|href| |\n|x|#|\u{fc}|http://){0,60}") {
        let text = html(&html_text);
        prop_assert!(text.len() <= html_text.len() * 2 + 16);
        prop_assert_eq!(text.trim(), &text);
    }

    /// Text that is escaped as HTML demands comes back, but for white space.
    #[test]
    fn escaped_text_comes_back(words in "[!-~\u{a1}-\u{ff}]{1,8}( [!-~\u{a1}-\u{ff}]{1,8}){0,5}") {
        let escaped = words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        prop_assert_eq!(html(&format!("<div><span>{escaped}</span></div>")), words);
    }

    #[test]
    fn no_body_panics(body in proptest::collection::vec(any::<u8>(), 0..200), which in 0usize..5) {
        let content_type = ["text/plain", "text/html", "text/plain;charset=utf-16", "multipart/alternative;boundary=a",
            "text/html;charset=latin1"][which];
        if let Ok(text) = of(content_type, &body) {
            prop_assert!(!text.is_empty());
        }
    }

    #[test]
    fn no_multipart_panics(body in "(--a|--b|\r\n|\n|Content-Type: |text/plain|text/html|multipart/alternative;boundary=b|:|x|=){0,40}") {
        let _read = of("multipart/alternative;boundary=a", body.as_bytes());
    }
}
