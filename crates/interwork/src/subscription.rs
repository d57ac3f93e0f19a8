//! What stanzas say of a SIP subscription (RFC 8048 §5.3).
//!
//! RFC 8048 is silent on errors in place of presence. Those that say who may see are a rejection, those that say that nobody
//! is there end it for good, and after all others the watcher may try again. Requests and states are the gateway's.

use sip::event::Reason;
use xmpp::stanza::Condition;

/// When a watcher is to try again, in seconds.
pub const RETRY_AFTER_SECONDS: u32 = 300;

/// What an error in place of presence, or in answer to a request for it, says of the subscription.
pub fn reason_of(condition: Condition) -> Reason {
    match condition {
        Condition::Forbidden | Condition::NotAuthorized | Condition::NotAllowed | Condition::PolicyViolation => {
            Reason::Rejected
        }
        Condition::ItemNotFound | Condition::Gone => Reason::NoResource,
        _ => Reason::Probation(RETRY_AFTER_SECONDS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6665 §4.1.3: after `rejected` and `noresource` nobody should try again, after `probation` they may.
    #[test]
    fn only_what_may_pass_is_worth_another_try() {
        for (condition, reason) in [
            (Condition::Forbidden, Reason::Rejected),
            (Condition::NotAuthorized, Reason::Rejected),
            (Condition::PolicyViolation, Reason::Rejected),
            (Condition::ItemNotFound, Reason::NoResource),
            (Condition::Gone, Reason::NoResource),
            (Condition::RemoteServerNotFound, Reason::Probation(RETRY_AFTER_SECONDS)),
            (Condition::RemoteServerTimeout, Reason::Probation(RETRY_AFTER_SECONDS)),
            (Condition::ResourceConstraint, Reason::Probation(RETRY_AFTER_SECONDS)),
        ] {
            assert_eq!(reason_of(condition), reason, "{condition:?}");
        }
    }
}
