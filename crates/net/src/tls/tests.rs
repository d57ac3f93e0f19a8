//! Every fault is produced by a real chain; handshakes are real ones over an in-memory pipe.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

use lexicon::{ChainVerdict, Timestamp};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, CustomExtension, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, OtherNameValue, SanType, date_time_ymd,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::*;

/// 2026-11-23T00:00:00Z.
const TODAY: Timestamp = Timestamp::from_millis(1_795_392_000_000);

fn params(names: &[&str]) -> CertificateParams {
    let mut params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, names.first().copied().unwrap_or("nobody"));
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2027, 1, 1);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2040, 1, 1);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn issue(params: &CertificateParams, issuer: &CertifiedIssuer<'static, KeyPair>) -> (Certificate, KeyPair) {
    let key = KeyPair::generate().unwrap();
    (params.signed_by(&key, issuer).unwrap(), key)
}

fn chain(certificates: &[&Certificate]) -> PeerChain {
    PeerChain::from_der(certificates.iter().map(|certificate| certificate.der().to_vec()))
}

fn trusting(issuer: &impl AsRef<Certificate>) -> Roots {
    Roots::from_pem(&issuer.as_ref().pem()).unwrap()
}

#[test]
fn each_fault_has_its_own_word() {
    let (known, unknown) = (authority("Known CA"), authority("Unknown CA"));
    let roots = trusting(&known);
    let changed = |change: fn(&mut CertificateParams)| {
        let mut params = params(&["fabrikam.example"]);
        change(&mut params);
        issue(&params, &known).0
    };
    let check = |what: &str, certificate: &Certificate, verdict: ChainVerdict| {
        assert_eq!(judge(&chain(&[certificate]), &roots, TODAY, &[]), verdict, "{what}");
    };
    check("good", &changed(|_| {}), Ok(()));
    check("no purpose stated", &changed(|p| p.extended_key_usages.clear()), Ok(()));
    check("expired", &changed(|p| p.not_after = date_time_ymd(2026, 2, 1)), Err(CertificateFault::Expired));
    check("too early", &changed(|p| p.not_before = date_time_ymd(2026, 12, 1)), Err(CertificateFault::NotYetValid));
    let client_only = changed(|p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]);
    check("for clients only", &client_only, Err(CertificateFault::WrongPurpose));
    let issuer = changed(|p| p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    check("an authority's own", &issuer, Err(CertificateFault::WrongPurpose));
    let other = issue(&params(&["fabrikam.example"]), &unknown).0;
    check("another authority", &other, Err(CertificateFault::UntrustedIssuer));
    let by_itself = params(&["fabrikam.example"]).self_signed(&KeyPair::generate().unwrap()).unwrap();
    check("self-signed", &by_itself, Err(CertificateFault::SelfSigned));
    assert_eq!(judge(&PeerChain::default(), &roots, TODAY, &[]), Err(CertificateFault::Missing));
    let garbage = PeerChain::from_der([vec![0x30, 0x03, 1, 2, 3]]);
    assert_eq!(judge(&garbage, &roots, TODAY, &[]), Err(CertificateFault::Malformed));
}

/// RFC 5922 §7.1 asks for the restrictions of RFC 5280 §4.2.1.12: what is for clients only is good for a client.
#[test]
fn a_client_may_show_a_certificate_for_clients_only() {
    let (known, unknown) = (authority("Known CA"), authority("Unknown CA"));
    let roots = trusting(&known);
    let shown = |purposes: &[ExtendedKeyUsagePurpose], issuer| {
        let mut params = params(&["fabrikam.example"]);
        params.extended_key_usages = purposes.to_vec();
        chain(&[&issue(&params, issuer).0])
    };
    use ExtendedKeyUsagePurpose as P;
    for (purposes, verdict) in [
        (&[P::ClientAuth][..], Ok(())),
        (&[P::ServerAuth], Ok(())),
        (&[], Ok(())),
        (&[P::CodeSigning], Err(CertificateFault::WrongPurpose)),
    ] {
        assert_eq!(judge_client(&shown(purposes, &known), &roots, TODAY), verdict, "{purposes:?}");
    }
    let fault = judge_client(&shown(&[P::ClientAuth], &unknown), &roots, TODAY);
    assert_eq!(fault, Err(CertificateFault::UntrustedIssuer));
    assert_eq!(judge_client(&PeerChain::default(), &roots, TODAY), Err(CertificateFault::Missing));
}

/// RFC 5922 §7.1 step 2: the common name is told only where there is no subjectAltName at all.
#[test]
fn uris_are_read_and_the_common_name_only_without_alternative_names() {
    let read = |names: Vec<SanType>| {
        let mut params = params(&[]);
        params.distinguished_name.push(rcgen::DnType::CommonName, "sip.fabrikam.example");
        params.subject_alt_names = names;
        read_certificate(params.self_signed(&KeyPair::generate().unwrap()).unwrap().der()).unwrap().names
    };
    let uri = |text: &str| SanType::URI(text.try_into().unwrap());
    let named = read(vec![uri("sip:fabrikam.example"), uri("https://fabrikam.example")]);
    assert_eq!((named.uri.len(), named.uri[0].as_str(), named.common), (2, "sip:fabrikam.example", None));
    assert_eq!(read(Vec::new()).common.as_deref(), Some("sip.fabrikam.example"));
}

/// An issuer with the name of a trusted one and another key.
#[test]
fn a_false_signature_is_told_apart_from_an_unknown_issuer() {
    let (known, impostor) = (authority("Known CA"), authority("Known CA"));
    let certificate = issue(&params(&["fabrikam.example"]), &impostor).0;
    let verdict = judge(&chain(&[&certificate]), &trusting(&known), TODAY, &[]);
    assert_eq!(verdict, Err(CertificateFault::BadSignature));
}

#[test]
fn a_chain_needs_its_intermediate() {
    let root = authority("Root CA");
    let mut intermediate_params = params(&[]);
    intermediate_params.distinguished_name.push(rcgen::DnType::CommonName, "Intermediate CA");
    intermediate_params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    intermediate_params.extended_key_usages.clear();
    let key = KeyPair::generate().unwrap();
    let intermediate = CertifiedIssuer::signed_by(intermediate_params, key, &root).unwrap();
    let (leaf, _) = issue(&params(&["fabrikam.example"]), &intermediate);
    let roots = trusting(&root);
    assert_eq!(judge(&chain(&[&leaf, intermediate.as_ref()]), &roots, TODAY, &[]), Ok(()));
    assert_eq!(judge(&chain(&[&leaf]), &roots, TODAY, &[]), Err(CertificateFault::UntrustedIssuer));
}

/// RFC 5280 §4.2.2.1: a certificate says where that of its issuer is kept; then its absence is told.
#[test]
fn a_missing_intermediate_is_told_where_the_certificate_says_that_there_is_one() {
    let (known, unknown) = (authority("Known CA"), authority("Unknown CA"));
    let mut params = params(&["fabrikam.example"]);
    // SEQUENCE { SEQUENCE { id-ad-caIssuers, [6] "http://a" } }
    let access = b"\x30\x16\x30\x14\x06\x08\x2b\x06\x01\x05\x05\x07\x30\x02\x86\x08http://a";
    params.custom_extensions = vec![CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], access.to_vec())];
    let (good, _) = issue(&params, &known);
    let (leaf, _) = issue(&params, &unknown);
    let judged = |shown: &[&Certificate]| judge(&chain(shown), &trusting(&known), TODAY, &[]);
    assert_eq!(judged(&[&good]), Ok(()));
    assert_eq!(judged(&[&leaf]), Err(CertificateFault::IntermediateMissing));
    assert_eq!(judged(&[&leaf, known.as_ref()]), Err(CertificateFault::IntermediateMissing));
    assert_eq!(judged(&[&leaf, unknown.as_ref()]), Err(CertificateFault::UntrustedIssuer));
}

#[test]
fn a_listed_certificate_is_trusted_by_itself_while_it_is_valid() {
    for is_ca in [IsCa::NoCa, IsCa::Ca(BasicConstraints::Unconstrained)] {
        let mut params = params(&["fabrikam.example"]);
        params.is_ca = is_ca;
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let roots = Roots::from_pem(&certificate.pem()).unwrap();
        assert_eq!(judge(&chain(&[&certificate]), &roots, TODAY, &[]), Ok(()));
        let later = Timestamp::from_millis(1_830_000_000_000);
        assert_eq!(judge(&chain(&[&certificate]), &roots, later, &[]), Err(CertificateFault::Expired));
    }
}

#[test]
fn pins_name_the_key() {
    let known = authority("Known CA");
    let (certificate, _) = issue(&params(&["fabrikam.example"]), &known);
    let pin = read_certificate(certificate.der()).unwrap().spki_sha256;
    let judged = |pins: &[[u8; 32]]| judge(&chain(&[&certificate]), &trusting(&known), TODAY, pins);
    assert_eq!(judged(&[[7; 32], pin]), Ok(()));
    assert_eq!(judged(&[[7; 32]]), Err(CertificateFault::PinMismatch));
}

/// RFC 6120 §13.7.1.4 and RFC 4985: otherName entries are identities; the common name is none.
#[test]
fn names_are_read_from_every_kind_of_entry() {
    let mut params = params(&["fabrikam.example", "*.fabrikam.example"]);
    let other = |oid: u64, text: &str| {
        SanType::OtherName((vec![1, 3, 6, 1, 5, 5, 7, 8, oid], OtherNameValue::Utf8String(text.to_owned())))
    };
    params.subject_alt_names.push(other(5, "bücher.example"));
    params.subject_alt_names.push(other(7, "_xmpp-server.fabrikam.example"));
    params.subject_alt_names.push(other(9, "smtp@fabrikam.example"));
    let certificate = issue(&params, &authority("Known CA")).0;
    let facts = read_certificate(certificate.der()).unwrap();
    assert_eq!(facts.names.dns, ["fabrikam.example", "*.fabrikam.example"]);
    assert_eq!(facts.names.xmpp, ["bücher.example"]);
    assert_eq!(facts.names.srv, ["_xmpp-server.fabrikam.example"]);
    assert_eq!(facts.not_before.to_string(), "2026-01-01T00:00:00.000Z");
    assert!(facts.issuer.contains("Known CA"), "{}", facts.issuer);
}

#[test]
fn roots_must_be_certificates() {
    assert_eq!(Roots::from_pem("").unwrap_err(), RootsError::Empty);
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert_eq!(Roots::from_pem(broken).unwrap_err(), RootsError::Malformed { number: 1 });
}

/// Files in a directory of their own, removed with it.
struct Files {
    directory: PathBuf,
}

impl Files {
    fn new() -> Self {
        let directory = std::env::temp_dir().join(format!("net-tls-{}", crate::entropy::stream_id()));
        fs::create_dir(&directory).unwrap();
        Self { directory }
    }

    fn write(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = self.directory.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn identity(&self, names: &[&str], issuer: &CertifiedIssuer<'static, KeyPair>) -> CertificateFiles {
        let (certificate, key) = issue(&params(names), issuer);
        let stem = names[0];
        CertificateFiles {
            certificate: self.write(&format!("{stem}.pem"), &certificate.pem(), 0o644),
            key: self.write(&format!("{stem}.key"), &key.serialize_pem(), 0o600),
        }
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.directory).unwrap();
    }
}

#[test]
fn a_bad_certificate_file_is_named_with_its_remedy() {
    let (files, known) = (Files::new(), authority("Known CA"));
    let (good, other) = (files.identity(&["a.example"], &known), files.identity(&["b.example"], &known));
    let load = |certificate: &PathBuf, key: &PathBuf| {
        let pair = CertificateFiles { certificate: certificate.clone(), key: key.clone() };
        Identities::load(&[pair]).map(|_| ()).unwrap_err().to_string()
    };
    let absent = files.directory.join("absent.pem");
    assert_eq!(load(&absent, &good.key), format!("cannot read {}: there is no such file", absent.display()));
    let error = load(&good.certificate, &other.key);
    assert!(error.contains("does not belong to the certificate"), "{error}");
    let text = fs::read_to_string(&good.key).unwrap();
    let open = files.write("open.key", &text, 0o644);
    assert!(load(&good.certificate, &open).ends_with(&format!("chmod o-rwx {}", open.display())));
    let error = load(&good.key, &good.key);
    assert!(error.contains("has no certificate"), "{error}");
    let error = load(&good.certificate, &files.write("empty.key", "", 0o600));
    assert!(error.contains("has no private key"), "{error}");
    assert!(Identities::load(&[good, other]).is_ok());
}

async fn handshake(
    server: &Tls,
    client: &Tls,
    local: &str,
    remote: &str,
) -> (Secured<tokio::io::DuplexStream>, Secured<tokio::io::DuplexStream>) {
    let (near, far) = duplex(64 * 1024);
    let (local, remote) = (Domain::parse(local).unwrap(), Domain::parse(remote).unwrap());
    let (accepted, connected) = tokio::join!(server.accept(far, None), client.connect(near, &local, &remote));
    (accepted.unwrap(), connected.unwrap())
}

/// What public authorities issue now, shown by a client: the reason for verifiers of our own.
#[tokio::test]
async fn a_certificate_for_servers_only_is_good_in_both_directions() {
    let (files, known) = (Files::new(), authority("Known CA"));
    let tls = |name: &str| Tls::new(Identities::load(&[files.identity(&[name], &known)]).unwrap()).unwrap();
    let (ours, theirs) = (tls("contoso.example"), tls("fabrikam.example"));
    let (mut inbound, mut outbound) = handshake(&ours, &theirs, "fabrikam.example", "contoso.example").await;
    for (side, name) in [(&inbound, "fabrikam.example"), (&outbound, "contoso.example")] {
        assert_eq!(side.facts().version, TlsVersion::Tls13);
        assert_eq!(side.facts().peer.as_ref().unwrap().names.dns, [name]);
        assert_eq!(judge(side.peer_chain(), &trusting(&known), TODAY, &[]), Ok(()));
    }
    outbound.write_all(b"<stream>").await.unwrap();
    outbound.flush().await.unwrap();
    let mut received = [0; 8];
    inbound.read_exact(&mut received).await.unwrap();
    assert_eq!(&received, b"<stream>");
}

#[tokio::test]
async fn a_peer_without_certificate_or_with_a_worthless_one_is_met_too() {
    let (files, known) = (Files::new(), authority("Known CA"));
    let ours = Tls::new(Identities::load(&[files.identity(&["contoso.example"], &known)]).unwrap()).unwrap();
    let bare = Tls::new(Identities::default()).unwrap();
    let (inbound, outbound) = handshake(&ours, &bare, "fabrikam.example", "contoso.example").await;
    assert_eq!(inbound.facts().peer, Err(CertificateFault::Missing));
    assert!(inbound.peer_chain().is_empty());
    let strangers = authority("Unknown CA");
    assert_eq!(judge(outbound.peer_chain(), &trusting(&strangers), TODAY, &[]), Err(CertificateFault::UntrustedIssuer));
}

#[tokio::test]
async fn the_certificate_that_fits_the_name_is_shown() {
    let (files, known) = (Files::new(), authority("Known CA"));
    let pairs =
        [files.identity(&["contoso.example"], &known), files.identity(&["*.adatum.example", "adatum.example"], &known)];
    let ours = Tls::new(Identities::load(&pairs).unwrap()).unwrap();
    for (name, first) in [
        ("contoso.example", "contoso.example"),
        ("adatum.example", "*.adatum.example"),
        ("im.adatum.example", "*.adatum.example"),
        ("a.b.adatum.example", "contoso.example"),
        ("unknown.example", "contoso.example"),
    ] {
        let (inbound, outbound) = handshake(&ours, &ours, name, name).await;
        assert_eq!(outbound.facts().peer.as_ref().unwrap().names.dns[0], first, "dialled by {name}");
        assert_eq!(inbound.facts().peer.as_ref().unwrap().names.dns[0], first, "dialling as {name}");
    }
    let (near, far) = duplex(64 * 1024);
    let (named, addressed) = (Domain::parse("contoso.example").unwrap(), Domain::parse("adatum.example").unwrap());
    let (inbound, outbound) = tokio::join!(ours.accept(far, Some(&addressed)), ours.connect(near, &named, &named));
    assert!(inbound.is_ok());
    assert_eq!(outbound.unwrap().facts().peer.as_ref().unwrap().names.dns[0], "*.adatum.example");
    assert!(ours.identities().has(&Domain::parse("im.adatum.example").unwrap()));
    assert!(!ours.identities().has(&Domain::parse("unknown.example").unwrap()));
}

/// A handshake of direct TLS in which the client offers `alpn`.
async fn direct(server: &Tls, alpn: &[&[u8]]) -> (Result<(), TlsError>, Option<Vec<u8>>) {
    let (near, far) = duplex(64 * 1024);
    let mut config = ClientConfig::clone(&server.clients[0]);
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let name = ServerName::try_from("contoso.example").unwrap();
    let (accepted, connected) = tokio::join!(server.accept_direct(far), connector.connect(name, near));
    let chosen = connected.ok().and_then(|stream| stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec));
    (accepted.map(|_| ()), chosen)
}

/// XEP-0368 §3 and RFC 7301 §3.2.
#[tokio::test]
async fn direct_tls_speaks_xmpp_server_or_no_alpn_at_all() {
    let (files, known) = (Files::new(), authority("Known CA"));
    let ours = Tls::new(Identities::load(&[files.identity(&["contoso.example"], &known)]).unwrap()).unwrap();
    let (accepted, chosen) = direct(&ours, &[b"http/1.1", b"xmpp-server"]).await;
    assert_eq!((accepted.is_ok(), chosen.as_deref()), (true, Some(&b"xmpp-server"[..])));
    let (accepted, chosen) = direct(&ours, &[]).await;
    assert_eq!((accepted.is_ok(), chosen), (true, None));
    for other in [&b"xmpp-client"[..], b"h2"] {
        let refused = direct(&ours, &[other]).await.0.unwrap_err();
        assert!(matches!(refused, TlsError::Handshake(rustls::Error::NoApplicationProtocol)), "{refused}");
    }
}

#[tokio::test]
async fn direct_tls_names_the_domain_and_offers_xmpp_server() {
    let (files, known) = (Files::new(), authority("Known CA"));
    let pairs = [files.identity(&["contoso.example"], &known), files.identity(&["adatum.example"], &known)];
    let ours = Tls::new(Identities::load(&pairs).unwrap()).unwrap();
    let (local, remote) = (Domain::parse("contoso.example").unwrap(), Domain::parse("adatum.example").unwrap());
    let (near, far) = duplex(64 * 1024);
    let (inbound, outbound) = tokio::join!(ours.accept_direct(far), ours.connect_direct(near, &local, &remote));
    let (inbound, outbound) = (inbound.unwrap(), outbound.unwrap());
    let tokio_rustls::TlsStream::Server(server) = &inbound.stream else { panic!("the inbound side is the server") };
    let (_, connection) = server.get_ref();
    assert_eq!(connection.server_name(), Some("adatum.example"));
    assert_eq!(connection.alpn_protocol(), Some(&b"xmpp-server"[..]));
    assert_eq!(outbound.facts().peer.as_ref().unwrap().names.dns, ["adatum.example"]);
    assert_eq!(inbound.facts().peer.as_ref().unwrap().names.dns, ["contoso.example"]);
}
