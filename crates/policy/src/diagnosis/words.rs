//! The table: what each code means, and what to do about it.
//!
//! `{remote}`, `{local}` and `{partner}` stand for the names of the report. A few codes mean something else when the
//! partner has opened the connection; they stand first.

use lexicon::{Direction, report::Code};

/// The names that the words need, as people read them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names<'a> {
    pub(super) local: Option<&'a str>,
    pub(super) remote: Option<&'a str>,
    pub(super) partner: Option<&'a str>,
}

impl Names<'_> {
    pub(super) fn fill(self, words: &str) -> String {
        let remote = self.remote.unwrap_or("the other server");
        words
            .replace("{partner}", self.partner.unwrap_or(remote))
            .replace("{remote}", remote)
            .replace("{local}", self.local.unwrap_or("our domain"))
    }
}

/// What happened, and the remedy.
pub(super) fn of(code: Code, direction: Direction) -> (&'static str, &'static str) {
    if direction == Direction::Inbound
        && let Some(words) = inbound(code)
    {
        return words;
    }
    anyway(code)
}

/// Where it makes a difference that the partner has opened the connection.
fn inbound(code: Code) -> Option<(&'static str, &'static str)> {
    Some(match code {
        Code::CertificateMissing => (
            "{remote} showed no client certificate.",
            "Ask the administrators of {remote} to let their server show its certificate when it connects, or set SASL of \
             {partner} to optional with dialback.",
        ),
        Code::DialbackAbsent | Code::ExternalAbsent => (
            "{remote} used no way to prove its identity that its settings permit.",
            "Compare the negotiation of {partner} with what its server can do.",
        ),
        Code::DialbackRefused => (
            "The key of {remote} could not be verified: its authoritative server could not be asked.",
            "Check that the server found for {remote} by DNS can be reached from here; legation probe {remote} shows why \
             not.",
        ),
        Code::DialbackTimeout => (
            "The key of {remote} could not be verified: its authoritative server did not answer in time.",
            "Check the network and the name servers for {remote}; legation probe {remote} shows the step that is slow.",
        ),
        Code::DialbackInvalid => (
            "The authoritative server of {remote} did not issue the key: somebody else claims to be {remote}, or its \
             servers do not share one secret.",
            "If the connection came from the partner, ask the administrators of {remote} to give all their servers the \
             same dialback secret.",
        ),
        Code::NotInternal => (
            "{remote} asked for {local}, which is not an internal domain.",
            "Add {local} as an internal domain, or tell the administrators of {remote} the right one.",
        ),
        Code::MethodNotPermitted => (
            "{remote} offered a way to prove its identity that its settings do not permit.",
            "Change TLS, SASL or dialback of {partner}, or ask its administrators for the method that is permitted.",
        ),
        Code::PartnerClosed => (
            "{remote} ended the connection before it had proved its identity.",
            "If it happens again, ask the administrators of {remote} what their log says about {local}: they may not \
             accept our certificate or what we offer.",
        ),
        Code::PartnerError => (
            "{remote} ended its own connection with an error.",
            "Read the error in the report and ask the administrators of {remote} about it.",
        ),
        Code::Timeout => (
            "{remote} connected and did not prove its identity in time.",
            "Ask the administrators of {remote} whether their server supports what the negotiation of {partner} demands; \
             raise stream_establishment_timeout if the network is slow.",
        ),
        Code::Disconnected => (
            "The connection broke before {remote} had proved its identity.",
            "If it happens again, look for a firewall between us and {remote}.",
        ),
        Code::StarttlsFailed => (
            "{remote} asked for STARTTLS where it was not offered, or in a way that cannot be accepted.",
            "If the server of {remote} cannot do without TLS, set TLS of {partner} to optional or required, and see that this \
             server has a certificate (legation cert list).",
        ),
        Code::TlsFailed => (
            "The TLS handshake that {remote} began failed.",
            "Compare TLS versions with the administrators of {remote} (TLS 1.2 is the least) and check that their server \
             trusts the authority of our certificate for {local}.",
        ),
        _ => return None,
    })
}

/// On the leg of inner servers {local} is a partner's domain, and {remote} the internal one.
pub(super) fn of_inner(code: Code, direction: Direction) -> (&'static str, &'static str) {
    match code {
        Code::NotAPartner => (
            "The inner server of {remote} asked for {local}, which is not a federation partner.",
            "Add {local} as a partner, or as an additional domain of one, if it is meant to be.",
        ),
        Code::PartnerDisabled => (
            "The inner server of {remote} asked for {local}, which is switched off.",
            "Enable the partner that has the domain {local}.",
        ),
        Code::OwnDomain => (
            "The inner leg was asked by somebody who claims to be {remote}, for which we stand there.",
            "Look for a loop: the static routes or the inner DNS may lead our own connections for {remote} back here.",
        ),
        Code::DnsFailed | Code::DnsNoServer => (
            "The targets of the inner server of {remote} have no address.",
            "Check the names of the targets of the inner server of {remote}, and the name servers of the configuration file.",
        ),
        Code::ConnectRefused | Code::Unreachable | Code::ConnectTimeout => (
            "The inner server of {remote} cannot be reached at any of its targets.",
            "Check that the inner server of {remote} runs and listens for servers at the configured targets.",
        ),
        Code::DialbackRefused | Code::DialbackTimeout | Code::DialbackInvalid if direction == Direction::Outbound => (
            "The inner server of {remote} could not verify us as {local} by dialback.",
            "Check that the server of {remote} finds {local} at our inner listener: by its static routes or its inner DNS.",
        ),
        Code::CertificateMissing | Code::CertificateSelfSigned | Code::CertificateUntrustedIssuer => (
            "The certificate of the inner server of {remote} leads to no authority that is trusted for it.",
            "Add its authority to trust_roots of the inner server of {remote}, or permit dialback there.",
        ),
        Code::OurCertificateRefused | Code::ExternalAbsent => (
            "The inner server of {remote} did not accept our certificate as {local}.",
            "Permit dialback on the leg to {remote}, or give this server a certificate for {local} ([[inner.certificates]]) \
             from an authority that the inner server trusts.",
        ),
        _ => of(code, direction),
    }
}

fn anyway(code: Code) -> (&'static str, &'static str) {
    match code {
        Code::Ok => ("{local} and {remote} are connected.", "Nothing needs to be done."),
        Code::NotAPartner => (
            "{remote} is not a federation partner.",
            "Add {remote} as a partner, or as an additional domain of one, if it is meant to be.",
        ),
        Code::PartnerDisabled => ("Federation with {partner} is switched off.", "Enable the partner {partner}."),
        Code::NotInternal => {
            ("{local} is not an internal domain.", "Add {local} as an internal domain before it writes to {remote}.")
        }
        Code::OwnDomain => (
            "Somebody claims to be {remote}, which is a domain of ours.",
            "Look for a loop: DNS or a proxy may lead {remote} back to this server.",
        ),
        Code::DnsFailed => (
            "The servers of {remote} could not be looked up: the name servers failed or did not answer.",
            "Check that the name servers of the configuration file answer for {remote}; if only {remote} fails, tell its \
             administrators.",
        ),
        Code::DnsNoServer => (
            "DNS knows no server for {remote}.",
            "Check the spelling of {remote}; ask its administrators for _xmpp-server._tcp records, or set proxy_fqdn of \
             {partner}.",
        ),
        Code::DnsNotOffered => (
            "DNS says that {remote} offers no XMPP federation (SRV target \".\").",
            "Ask the administrators of {remote} which of their domains federates, or set proxy_fqdn of {partner}.",
        ),
        Code::PrivateTarget => (
            "The server of {remote} has only addresses that may not be dialled.",
            "If {remote} really is in that network, add it to the setting allow_private_targets.",
        ),
        Code::ConnectRefused => (
            "The server of {remote} refuses connections.",
            "Ask the administrators of {remote} whether their server runs and listens on the port that DNS names (5269 \
             without SRV).",
        ),
        Code::Unreachable => (
            "There is no way through the network to the server of {remote}.",
            "Check routing and firewalls here; then ask the administrators of {remote}.",
        ),
        Code::ConnectTimeout => (
            "The server of {remote} did not answer the connection in time.",
            "Check that a firewall, here or at {remote}, lets TCP through to the port that DNS names (5269 without SRV).",
        ),
        Code::ConnectFailed => (
            "This machine could not dial the server of {remote}.",
            "Check this machine: its firewall rules and its limit of open files; {remote} has nothing to do.",
        ),
        Code::Timeout => (
            "The stream with {remote} was not established in time.",
            "Check the network to {remote}; raise stream_establishment_timeout if its server is slow.",
        ),
        Code::StarttlsAbsent => (
            "The server of {remote} does not offer STARTTLS, and its settings require TLS.",
            "Ask the administrators of {remote} to enable TLS between servers, or set TLS of {partner} to optional and \
             accept plaintext.",
        ),
        Code::StarttlsFailed => (
            "The server of {remote} offered STARTTLS and then refused it.",
            "Ask the administrators of {remote} to check the certificate and key of their server.",
        ),
        Code::TlsRequired => (
            "{remote} went on without TLS, which its settings require.",
            "Ask the administrators of {remote} to enable TLS between servers, or set TLS of {partner} to optional and \
             accept plaintext.",
        ),
        Code::TlsExcluded => (
            "The server of {remote} uses TLS, and its settings say that TLS is not supported.",
            "Set TLS of {partner} to optional or required.",
        ),
        Code::TlsFailed => (
            "The TLS handshake with the server of {remote} failed.",
            "Compare TLS versions and cipher suites with the administrators of {remote}; TLS 1.2 is the least.",
        ),
        Code::CertificateMissing => (
            "The server of {remote} showed no certificate.",
            "Ask the administrators of {remote} to install one, or set SASL of {partner} to optional with dialback.",
        ),
        Code::CertificateMalformed => (
            "The certificate of {remote} cannot be read.",
            "Ask the administrators of {remote} to install another certificate.",
        ),
        Code::CertificateWrongName => (
            "The certificate of {remote} does not name {remote}.",
            "Ask the administrators of {remote} for a certificate whose subjectAltName holds {remote}: the XMPP domain, not \
             the name of the host.",
        ),
        Code::CertificateExpired => (
            "The certificate of {remote} has expired.",
            "Ask the administrators of {remote} to renew it; if they have, check the clock of this machine.",
        ),
        Code::CertificateNotYetValid => (
            "The certificate of {remote} is not valid yet.",
            "Check the clock of this machine; if it is right, ask the administrators of {remote}.",
        ),
        Code::CertificateSelfSigned => (
            "The certificate of {remote} is self-signed.",
            "Get the certificate from the administrators of {remote} by a safe way and add it to trust_roots of {partner}, \
             or set SASL to optional with dialback.",
        ),
        Code::CertificateUntrustedIssuer => (
            "The certificate of {remote} leads to no trusted authority: the issuer is unknown here, or an intermediate \
             certificate is missing.",
            "Ask the administrators of {remote} to install the full chain; if they have an authority of their own, add its \
             root to trust_roots of {partner}.",
        ),
        Code::CertificateIntermediateMissing => (
            "The certificate of {remote} was shown without the certificate of its issuer, which is not known here.",
            "Ask the administrators of {remote} to install the full chain (the file that also holds the intermediate \
             certificates); if they have an authority of their own, add its root to trust_roots of {partner}.",
        ),
        Code::CertificateWrongPurpose => (
            "The certificate of {remote} may not be used by a server.",
            "Ask the administrators of {remote} for a certificate with the purpose serverAuth.",
        ),
        Code::CertificateBadSignature => (
            "The certificate chain of {remote} has a signature that is wrong or too weak.",
            "Ask the administrators of {remote} for a certificate signed with SHA-256 or better.",
        ),
        Code::CertificateRevoked => (
            "The certificate of {remote} was revoked.",
            "Ask the administrators of {remote} to replace it, and why it was revoked.",
        ),
        Code::CertificatePinMismatch => (
            "The certificate of {remote} has a key that is none of the pinned ones.",
            "Ask the administrators of {remote}, by a safe way, whether they changed the key; then correct pins of \
             {partner}.",
        ),
        Code::ExternalAbsent => (
            "The server of {remote} does not offer SASL EXTERNAL, which its settings require.",
            "Ask the administrators of {remote} whether their server trusts the authority of our certificate for {local} \
             and has SASL EXTERNAL enabled, or set SASL of {partner} to optional with dialback.",
        ),
        Code::ExternalFailed => (
            "{remote} asked for SASL EXTERNAL in a way that cannot be accepted.",
            "Compare the negotiation of {partner} with its server; tell its administrators the reason in the report.",
        ),
        Code::OurCertificateRefused => (
            "The server of {remote} did not accept our certificate for {local}.",
            "Check that our certificate names {local}, is valid and shown with its chain (legation config check), and that \
             {remote} trusts its authority. Some servers refuse certificates that are for servers only (ejabberd before \
             25.08): they need an update, or dialback with SASL of {partner} set to optional.",
        ),
        Code::DialbackAbsent => (
            "The server of {remote} does not offer dialback, and no other method is left.",
            "Set SASL of {partner} to optional or required with TLS, or ask its administrators to enable dialback.",
        ),
        Code::DialbackRefused => (
            "The server of {remote} could not verify {local} by dialback.",
            "Check that the _xmpp-server records of {local} lead to this server and that {remote} can connect to it; if the \
             report says that it was forbidden, the administrators of {remote} may have to allow {local} as a partner.",
        ),
        Code::DialbackTimeout => (
            "The server of {remote} did not answer our dialback key in time.",
            "Check that {remote} can connect to the server that the _xmpp-server records of {local} name; a firewall may \
             drop its connections.",
        ),
        Code::DialbackInvalid => (
            "The server of {remote} called our dialback key for {local} invalid.",
            "Check that the _xmpp-server records of {local} lead to this server only, or that all its servers share one \
             dialback_passphrase.",
        ),
        Code::MethodNotPermitted => (
            "The settings of {partner} permit no method that the server of {remote} takes part in.",
            "Change TLS, SASL or dialback of {partner}; legation probe {remote} lists what would work.",
        ),
        Code::SettingsChanged => (
            "The settings of {partner} were changed and no longer permit the stream.",
            "Nothing, if the change was meant; legation audit list shows who changed {partner}.",
        ),
        Code::ConnectionLimit => (
            "The connections of {partner}, or of all partners, have reached the limit.",
            "Raise connection_limit of {partner} or the setting of that name, or find out why {remote} needs so many.",
        ),
        Code::StreamLimit => (
            "{remote} sent more than the limits permit.",
            "Ask the administrators of {remote} what it sent; raise the limit that the report names if it is meant.",
        ),
        Code::PartnerError => (
            "The server of {remote} ended the stream with an error.",
            "Read the error in the report; the administrators of {remote} may have to allow {local} as a partner.",
        ),
        Code::PartnerClosed => (
            "The server of {remote} ended the stream before it was of use.",
            "Ask the administrators of {remote} what their log says about {local}.",
        ),
        Code::Disconnected => (
            "The connection to the server of {remote} broke.",
            "If it happens again, look for a firewall or a restarting server between us and {remote}.",
        ),
        Code::ProtocolViolation => (
            "The server of {remote} broke a rule of the protocol.",
            "Tell the administrators of {remote} what the report shows.",
        ),
        Code::XmlInvalid => (
            "The server of {remote} sent XML that is not allowed on a stream.",
            "Check that the port is that of an XMPP server; if it is, tell the administrators of {remote}.",
        ),
        Code::ClosedHere => (
            "This server ended the stream with {remote}.",
            "Nothing, if an administrator closed it; the log shows why otherwise. {remote} may connect again.",
        ),
        Code::Shutdown => {
            ("This server was shutting down.", "Nothing: {remote} is connected again when the server is back.")
        }
        Code::SameSide => (
            "{remote} asked for {local}, which is internal too: nothing passes between two servers of our own side here.",
            "Connect the servers of {remote} and {local} with each other directly.",
        ),
        Code::InnerServerUnknown => (
            "No inner XMPP server is known for {remote}.",
            "Say where the XMPP server of {remote} is, and let its domain have the backend xmpp, if it is meant to be one.",
        ),
        Code::SourceNotPermitted => (
            "A connection for {remote} came from an address that its server may not come from.",
            "If it was the server of {remote}, add its address to the sources, or to the targets, of that inner server.",
        ),
        Code::Cancelled => {
            ("The probe of {remote} was cancelled.", "Start the probe of {remote} again to get a result.")
        }
    }
}
