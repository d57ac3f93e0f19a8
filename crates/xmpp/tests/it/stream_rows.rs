//! The 18 rows of partner policy §2 against everything the other side may do, in both directions.
//!
//! The oracle is written from the document: what is *available* decides, strongest method first, and a row without
//! methods authorises nothing.

use lexicon::{CertificateFault, Method, MethodSet};
use policy::negotiation::{Negotiation, ROWS, Requirement, Row};
use xmpp::stream::{PairRules, TlsUse};

use crate::pair::{ACCEPTOR, OPENER, Pair, Server, domain};

/// What the partner's server does.
#[derive(Clone, Copy, Debug)]
struct Behaviour {
    tls: TlsUse,
    certificate: Shown,
    external: bool,
    dialback: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Shown {
    Good,
    /// Of a trusted issuer, for another domain.
    WrongName,
    Expired,
    Missing,
}

fn behaviours() -> impl Iterator<Item = Behaviour> {
    let uses = [TlsUse::NotSupported, TlsUse::Optional, TlsUse::Required];
    let certificates = [Shown::Good, Shown::WrongName, Shown::Expired, Shown::Missing];
    uses.into_iter().flat_map(move |tls| {
        certificates.into_iter().flat_map(move |certificate| {
            [(false, false), (false, true), (true, false), (true, true)].map(|(external, dialback)| Behaviour {
                tls,
                certificate,
                external,
                dialback,
            })
        })
    })
}

fn tls_use(requirement: Requirement) -> TlsUse {
    match requirement {
        Requirement::Required => TlsUse::Required,
        Requirement::Optional => TlsUse::Optional,
        Requirement::NotSupported => TlsUse::NotSupported,
    }
}

/// The method that the document demands.
fn expected(row: &Row, peer: Behaviour) -> Option<Method> {
    let ours = tls_use(row.negotiation.tls);
    let tls_up = ours != TlsUse::NotSupported && peer.tls != TlsUse::NotSupported;
    let available = |method: Method| match method {
        Method::SaslOverTls => tls_up && peer.external && peer.certificate == Shown::Good,
        Method::TlsDialback => tls_up && peer.dialback,
        Method::TcpDialback => !tls_up && peer.dialback && peer.tls != TlsUse::Required,
    };
    row.methods.iter().find(|method| available(*method))
}

fn ours(row: &Row, peer: Behaviour) -> Server {
    let Negotiation { tls, dialback, .. } = row.negotiation;
    let certificate = match peer.certificate {
        Shown::Good | Shown::WrongName => Ok(()),
        Shown::Expired => Err(CertificateFault::Expired),
        Shown::Missing => Err(CertificateFault::Missing),
    };
    Server::new(
        "contoso.example",
        PairRules { tls: tls_use(tls), methods: row.methods, dialback, certificate, keep_alive: true },
    )
}

fn theirs(peer: Behaviour) -> Server {
    let mut methods = Vec::new();
    if peer.external {
        methods.push(Method::SaslOverTls);
    }
    if peer.dialback {
        methods.extend([Method::TlsDialback, Method::TcpDialback]);
    }
    let rules = PairRules {
        tls: peer.tls,
        methods: MethodSet::of(&methods),
        dialback: peer.dialback,
        certificate: Ok(()),
        keep_alive: true,
    };
    let mut server = Server::new("fabrikam.example", rules);
    server.tls_available = peer.tls != TlsUse::NotSupported;
    server.certificate = match peer.certificate {
        Shown::Good | Shown::Expired => Ok(domain("fabrikam.example")),
        Shown::WrongName => Ok(domain("tailspin.example")),
        Shown::Missing => Err(CertificateFault::Missing),
    };
    server
}

fn check(row: &Row, peer: Behaviour, opener: usize) {
    let mut sim = Pair::new(ours(row, peer), theirs(peer));
    let connection = sim.connect(opener);
    sim.run();
    let case = format!("row {}, opened by {opener}, {peer:?}", row.number);
    let methods = |side: usize| sim.end(connection, side).authorised.iter().map(|(_, method)| *method).next();
    let expected = expected(row, peer);
    assert_eq!(methods(OPENER), expected, "{case}: {:?}", sim.end(connection, OPENER).closed);
    assert_eq!(methods(ACCEPTOR), expected, "{case}: {:?}", sim.end(connection, ACCEPTOR).closed);
    if expected.is_none() {
        for side in [OPENER, ACCEPTOR] {
            let closed = sim.end(connection, side).closed.as_ref();
            assert!(closed.is_some_and(Option::is_some), "{case}: side {side} says why: {closed:?}");
        }
    }
}

#[test]
fn every_row_authorises_what_the_document_says_when_we_dial() {
    for row in &ROWS {
        for peer in behaviours() {
            check(row, peer, 0);
        }
    }
}

#[test]
fn every_row_authorises_what_the_document_says_when_the_partner_dials() {
    for row in &ROWS {
        for peer in behaviours() {
            check(row, peer, 1);
        }
    }
}
