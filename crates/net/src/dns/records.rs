//! Records as they are published, for comparing them with what should be: no fallback, no order, no choice.

use std::{fmt, net::IpAddr};

use hickory_resolver::proto::rr::{RData, RecordType};

use super::{NoAnswer, Resolver, error::absence, host, name};

/// An SRV record (RFC 2782).
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct SrvRecord {
    /// Lower comes first.
    pub priority: u16,
    /// Share among those of one priority.
    pub weight: u16,
    /// The port.
    pub port: u16,
    /// A-labels without a trailing dot; empty for the target ".", which says that the service is not offered.
    pub host: String,
}

/// As in a zone file.
impl fmt::Display for SrvRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} {}.", self.priority, self.weight, self.port, self.host)
    }
}

impl Resolver {
    /// The SRV records of this name, in their order; none if a name server says that there are none.
    pub async fn srv_records(&self, owner: &str) -> Result<Vec<SrvRecord>, NoAnswer> {
        // A name that is too long for DNS has no records.
        let Some(question) = name(owner) else { return Ok(Vec::new()) };
        let answer = match self.client.lookup(question, RecordType::SRV).await {
            Ok(answer) => answer,
            Err(error) => return absence(&error).map(|()| Vec::new()),
        };
        let records = answer.answers().iter().filter_map(|record| match &record.data {
            RData::SRV(srv) => {
                Some(SrvRecord { priority: srv.priority, weight: srv.weight, port: srv.port, host: host(&srv.target) })
            }
            _ => None,
        });
        let mut records: Vec<_> = records.collect();
        records.sort();
        Ok(records)
    }

    /// The addresses of this name, of both families; none if a name server says that there are none. A question that
    /// failed for one family counts only where the other has none.
    pub async fn address_records(&self, owner: &str) -> Result<Vec<IpAddr>, NoAnswer> {
        let Some(question) = name(owner) else { return Ok(Vec::new()) };
        let asked = tokio::join!(
            self.client.lookup(question.clone(), RecordType::A),
            self.client.lookup(question, RecordType::AAAA)
        );
        let (mut found, mut failure) = (Vec::new(), None);
        for answer in [asked.0, asked.1] {
            match answer {
                Ok(answer) => found.extend(answer.answers().iter().filter_map(|record| record.data.ip_addr())),
                Err(error) => failure = failure.or(absence(&error).err()),
            }
        }
        found.sort();
        match failure {
            Some(failure) if found.is_empty() => Err(failure),
            _ => Ok(found),
        }
    }
}
