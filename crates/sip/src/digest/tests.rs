use std::time::Duration;

use lexicon::Timestamp;

use super::*;
use crate::{
    message::{Method, Name, Request, Response, Status, Uri},
    token::Tokens,
};

const NOW: Timestamp = Timestamp::from_millis(1_795_422_480_123);

/// RFC 2617 §3.5 and RFC 7616 §3.9.1.
#[test]
fn computes_the_examples_of_the_standards() {
    let used = Used { nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093", nc: "00000001", cnonce: "0a4f113b" };
    let secret = ha1(Algorithm::Md5, "Mufasa", "testrealm@host.com", "Circle Of Life");
    assert_eq!(secret, "939e7578ed9e3c518a452acee763bce9");
    let proof = response(Algorithm::Md5, &secret, "GET", "/dir/index.html", &used);
    assert_eq!(proof, "6629fae49393a05397450978507c4ef1");

    let used = Used {
        nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        nc: "00000001",
        cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    };
    for (algorithm, expected) in [
        (Algorithm::Md5, "8ca523f5e9506fed4657c9700eebdbec"),
        (Algorithm::Sha256, "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ] {
        let secret = ha1(algorithm, "Mufasa", "http-auth@example.org", "Circle of Life");
        assert_eq!(response(algorithm, &secret, "GET", "/dir/index.html", &used), expected);
    }
}

/// RFC 7616 §3.9.1, as it stands on the wire.
#[test]
fn reads_the_credentials_of_the_standard() {
    let text = "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", uri=\"/dir/index.html\", algorithm=SHA-256, \
                nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", nc=00000001, \
                cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", qop=auth, \
                response=\"753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1\", \
                opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"";
    let credentials = Credentials::parse(text).unwrap();
    assert_eq!((credentials.username.as_str(), credentials.algorithm), ("Mufasa", Some(Algorithm::Sha256)));
    assert_eq!(Credentials::parse(&credentials.to_string()), Some(credentials));
    // RFC 4475 §3.3.7.
    assert_eq!(Credentials::parse("NoOneKnowsThisScheme opaque-data=here"), None);
    assert_eq!(Credentials::parse("Digest username=\"a\", realm=\"b\""), None);
    assert_eq!(Credentials::parse("Digest"), None);
}

struct Both {
    nonces: Nonces,
    client: Client,
    uri: Uri,
    tried: bool,
}

impl Both {
    fn new(password: &str) -> Self {
        let uri = Uri::parse("sip:contoso.example").unwrap();
        let nonces = Nonces::new([1; 32], Duration::from_secs(300), 2);
        Self { nonces, client: Client::new("hana", password, [2; 32]), uri, tried: false }
    }

    fn challenge(&mut self, now: Timestamp, algorithms: &[Algorithm], stale: bool) -> bool {
        let request = Request::new(Method::Register, self.uri.clone());
        let mut refusal = Response::to(&request, Status::UNAUTHORIZED, &Tokens::new([3; 32]).make());
        for challenge in self.nonces.challenge(now, "contoso.example", algorithms, stale) {
            refusal.headers.push(Name::WwwAuthenticate, challenge).unwrap();
        }
        self.client.take_challenge(&refusal, self.tried)
    }

    fn authorize(&mut self) -> Credentials {
        self.tried = true;
        let credentials = self.client.authorize(&Method::Register, &self.uri).unwrap();
        Credentials::parse(&credentials.to_string()).unwrap()
    }

    fn check(&mut self, now: Timestamp, credentials: &Credentials) -> Result<(), DigestError> {
        let secret = |algorithm| Some(ha1(algorithm, "hana", "contoso.example", "pw \u{f6}"));
        self.nonces.check(now, &Method::Register, credentials, secret)
    }
}

#[test]
fn a_client_proves_itself_by_the_first_algorithm_offered() {
    for algorithms in [&[Algorithm::Sha256, Algorithm::Md5][..], &[Algorithm::Md5]] {
        let mut both = Both::new("pw \u{f6}");
        assert!(both.challenge(NOW, algorithms, false));
        let credentials = both.authorize();
        assert_eq!(credentials.algorithm, Some(algorithms[0]));
        assert_eq!(both.check(NOW, &credentials), Ok(()));
        let next = both.authorize();
        assert_eq!(both.check(NOW, &next), Ok(()));
    }
}

#[test]
fn refuses_a_wrong_password_and_another_method() {
    let mut both = Both::new("guess");
    both.challenge(NOW, &[Algorithm::Sha256], false);
    let credentials = both.authorize();
    assert_eq!(both.check(NOW, &credentials), Err(DigestError::Wrong));
    assert!(!both.challenge(NOW, &[Algorithm::Sha256], false), "the client does not try the same password again");

    let mut both = Both::new("pw \u{f6}");
    both.challenge(NOW, &[Algorithm::Sha256], false);
    let credentials = both.client.authorize(&Method::Message, &both.uri).unwrap();
    assert_eq!(both.check(NOW, &credentials), Err(DigestError::Wrong));
}

#[test]
fn a_nonce_count_is_good_once_even_out_of_order() {
    let mut both = Both::new("pw \u{f6}");
    both.challenge(NOW, &[Algorithm::Md5], false);
    let (first, second) = (both.authorize(), both.authorize());
    assert_eq!(both.check(NOW, &second), Ok(()));
    assert_eq!(both.check(NOW, &first), Ok(()));
    for used in [first, second] {
        assert_eq!(both.check(NOW, &used), Err(DigestError::Stale));
    }
}

#[test]
fn an_old_or_foreign_nonce_is_stale_and_a_stale_challenge_is_answered() {
    let mut both = Both::new("pw \u{f6}");
    both.challenge(NOW, &[Algorithm::Md5], false);
    let credentials = both.authorize();
    let later = NOW + Duration::from_secs(301);
    assert_eq!(both.check(later, &credentials), Err(DigestError::Stale));
    assert!(both.challenge(later, &[Algorithm::Md5], true));
    let credentials = both.authorize();
    assert_eq!(both.check(later, &credentials), Ok(()));

    let mut other = Nonces::new([9; 32], Duration::from_secs(300), 2);
    let secret = |algorithm| Some(ha1(algorithm, "hana", "contoso.example", "pw \u{f6}"));
    assert_eq!(other.check(later, &Method::Register, &credentials, secret), Err(DigestError::Stale));
}

#[test]
fn counts_of_forgotten_nonces_are_stale_not_new() {
    let mut both = Both::new("pw \u{f6}");
    let mut used = Vec::new();
    for step in 0..3 {
        let now = NOW + Duration::from_secs(step);
        both.tried = false;
        both.client = Client::new("hana", "pw \u{f6}", [4; 32]);
        both.challenge(now, &[Algorithm::Md5], false);
        let credentials = both.authorize();
        assert_eq!(both.check(now, &credentials), Ok(()));
        used.push(credentials);
    }
    for credentials in &used {
        assert_eq!(both.check(NOW + Duration::from_secs(3), credentials), Err(DigestError::Stale));
    }
}

#[test]
fn refuses_answers_without_quality_of_protection() {
    let mut both = Both::new("pw \u{f6}");
    both.challenge(NOW, &[Algorithm::Md5], false);
    let good = both.authorize();
    for spoil in [
        |c: &mut Credentials| c.qop = None,
        |c: &mut Credentials| c.qop = Some("auth-int".to_owned()),
        |c: &mut Credentials| c.nc = "1".to_owned(),
        |c: &mut Credentials| c.nc = "00000000".to_owned(),
        |c: &mut Credentials| c.cnonce = String::new(),
        |c: &mut Credentials| c.algorithm = None,
    ] {
        let mut bad = good.clone();
        spoil(&mut bad);
        assert_eq!(both.check(NOW, &bad), Err(DigestError::Malformed));
    }
    assert_eq!(both.check(NOW, &good), Ok(()));
}
