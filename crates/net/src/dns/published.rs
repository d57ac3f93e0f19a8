//! The two kinds of SRV records as one list (XEP-0368 §3, §5; RFC 6120 §3.2.1).

use super::{DnsError, Service};

/// What a domain publishes of one kind.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Published {
    /// No such records.
    Absent,
    /// The only target is ".".
    NotOffered,
    /// Where the service is; never empty.
    Offered(Vec<Service>),
}

impl Published {
    /// From the records of one answer; an empty host is the target ".".
    pub(super) fn of(mut services: Vec<Service>) -> Self {
        if services.is_empty() {
            return Self::Absent;
        }
        services.retain(|service| !service.target.host.is_empty());
        if services.is_empty() { Self::NotOffered } else { Self::Offered(services) }
    }
}

/// The services of both kinds together; `None` means that the domain itself is dialled.
///
/// Records that came are used, whatever became of the other question. Without any, a question that failed is the result:
/// what it would have brought is not known. The word "." for either kind ends it, since the domain then does publish SRV;
/// only where both are absent is there a fallback to the domain's own addresses.
pub(super) fn merge(
    direct: Result<Published, DnsError>,
    starttls: Result<Published, DnsError>,
) -> Result<Option<Vec<Service>>, DnsError> {
    use Published as P;
    match (direct, starttls) {
        (Ok(P::Offered(mut services)), Ok(P::Offered(more))) => {
            services.extend(more);
            Ok(Some(services))
        }
        (Ok(P::Offered(services)), _) | (_, Ok(P::Offered(services))) => Ok(Some(services)),
        (_, Err(error)) | (Err(error), _) => Err(error),
        (Ok(P::NotOffered), _) | (_, Ok(P::NotOffered)) => Err(DnsError::NoService),
        (Ok(P::Absent), Ok(P::Absent)) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::{Kind, NoAnswer, Question, Target};

    fn services(kind: Kind, hosts: &[&str]) -> Vec<Service> {
        let target = |host: &&str| Target { host: (*host).to_owned(), port: 1, kind };
        hosts.iter().map(|host| Service { priority: 0, weight: 0, target: target(host) }).collect()
    }

    fn failed(kind: Kind) -> DnsError {
        DnsError::Failed { question: Question::Services(kind), reason: NoAnswer::ServerFailure }
    }

    /// One word for each answer: records "a" or "b", ".", none, or an error.
    fn published(kind: Kind, word: &str) -> Result<Published, DnsError> {
        match word {
            "none" => Ok(Published::of(Vec::new())),
            "." => Ok(Published::of(services(kind, &[""]))),
            "error" => Err(failed(kind)),
            host => Ok(Published::of(services(kind, &[host]))),
        }
    }

    #[test]
    fn the_two_answers_make_one_list_a_fallback_or_a_reason() {
        for (direct, starttls, result) in [
            ("a", "b", "a b"),
            ("a", ".", "a"),
            ("a", "none", "a"),
            ("a", "error", "a"),
            (".", "b", "b"),
            ("none", "b", "b"),
            ("error", "b", "b"),
            ("none", "none", "fallback"),
            (".", "none", "no service"),
            ("none", ".", "no service"),
            (".", ".", "no service"),
            ("error", "none", "failed"),
            ("none", "error", "failed"),
            ("error", ".", "failed"),
            (".", "error", "failed"),
            ("error", "error", "failed"),
        ] {
            let merged = merge(published(Kind::DirectTls, direct), published(Kind::Starttls, starttls));
            let told = match merged {
                Ok(Some(found)) => found.into_iter().map(|s| s.target.host).collect::<Vec<_>>().join(" "),
                Ok(None) => "fallback".to_owned(),
                Err(DnsError::NoService) => "no service".to_owned(),
                Err(DnsError::Failed { .. }) => "failed".to_owned(),
                Err(other) => panic!("{direct} {starttls}: {other}"),
            };
            assert_eq!(told, result, "_xmpps-server {direct}, _xmpp-server {starttls}");
        }
    }

    #[test]
    fn a_dot_among_other_targets_is_passed_over() {
        let mixed = services(Kind::Starttls, &["", "b"]);
        assert_eq!(Published::of(mixed), Published::Offered(services(Kind::Starttls, &["b"])));
    }
}
