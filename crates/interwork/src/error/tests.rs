use super::*;

fn status(condition: Condition, addressed: Addressed) -> u16 {
    to_sip(&StanzaError::new(condition), addressed, Origin::Partner).status.code()
}

/// RFC 7247 §7.1, table 2, with the changes of the module head; columns: full address, bare address.
#[test]
fn every_condition_has_its_status() {
    for (condition, full, bare) in [
        (Condition::BadRequest, 400, 400),
        (Condition::Conflict, 400, 400),
        (Condition::FeatureNotImplemented, 405, 501),
        (Condition::Forbidden, 403, 603),
        (Condition::Gone, 410, 410),
        (Condition::InternalServerError, 500, 500),
        (Condition::ItemNotFound, 404, 604),
        (Condition::JidMalformed, 400, 400),
        (Condition::NotAcceptable, 406, 606),
        (Condition::NotAllowed, 403, 403),
        (Condition::NotAuthorized, 403, 403),
        (Condition::PolicyViolation, 403, 403),
        (Condition::RecipientUnavailable, 480, 600),
        (Condition::Redirect, 480, 480),
        (Condition::RegistrationRequired, 403, 403),
        (Condition::RemoteServerNotFound, 404, 404),
        (Condition::RemoteServerTimeout, 480, 480),
        (Condition::ResourceConstraint, 500, 500),
        (Condition::ServiceUnavailable, 403, 403),
        (Condition::SubscriptionRequired, 400, 400),
        (Condition::UndefinedCondition, 400, 400),
        (Condition::UnexpectedRequest, 400, 400),
    ] {
        assert_eq!(status(condition, Addressed::Full), full, "{condition:?} full");
        assert_eq!(status(condition, Addressed::Bare), bare, "{condition:?} bare");
    }
}

/// RFC 7247 §7.2, table 3, and its rule for codes that are not listed.
#[test]
fn every_status_has_its_condition() {
    for (code, condition) in [
        (300, Condition::Redirect),
        (301, Condition::Gone),
        (302, Condition::Redirect),
        (305, Condition::Redirect),
        (380, Condition::NotAcceptable),
        (399, Condition::Redirect),
        (400, Condition::BadRequest),
        (401, Condition::NotAuthorized),
        (402, Condition::BadRequest),
        (403, Condition::Forbidden),
        (404, Condition::ItemNotFound),
        (405, Condition::FeatureNotImplemented),
        (406, Condition::NotAcceptable),
        (407, Condition::RegistrationRequired),
        (408, Condition::RemoteServerTimeout),
        (410, Condition::Gone),
        (413, Condition::PolicyViolation),
        (414, Condition::PolicyViolation),
        (415, Condition::NotAcceptable),
        (416, Condition::NotAcceptable),
        (420, Condition::FeatureNotImplemented),
        (421, Condition::NotAcceptable),
        (423, Condition::ResourceConstraint),
        (430, Condition::RecipientUnavailable),
        (439, Condition::FeatureNotImplemented),
        (440, Condition::PolicyViolation),
        (480, Condition::RecipientUnavailable),
        (481, Condition::ItemNotFound),
        (482, Condition::NotAcceptable),
        (483, Condition::NotAcceptable),
        (484, Condition::ItemNotFound),
        (485, Condition::ItemNotFound),
        (486, Condition::RecipientUnavailable),
        (487, Condition::RecipientUnavailable),
        (488, Condition::NotAcceptable),
        (489, Condition::PolicyViolation),
        (491, Condition::UnexpectedRequest),
        (493, Condition::BadRequest),
        (499, Condition::BadRequest),
        (500, Condition::InternalServerError),
        (501, Condition::FeatureNotImplemented),
        (502, Condition::RemoteServerNotFound),
        (503, Condition::InternalServerError),
        (504, Condition::RemoteServerTimeout),
        (505, Condition::NotAcceptable),
        (513, Condition::PolicyViolation),
        (599, Condition::InternalServerError),
        (600, Condition::RecipientUnavailable),
        (603, Condition::RecipientUnavailable),
        (604, Condition::ItemNotFound),
        (606, Condition::NotAcceptable),
        (699, Condition::RecipientUnavailable),
    ] {
        assert_eq!(to_xmpp(Status::new(code).unwrap(), "").condition, condition, "{code}");
    }
}

#[test]
fn no_condition_becomes_a_challenge_a_timeout_or_server_trouble_of_ours() {
    for &condition in Condition::ALL {
        for addressed in [Addressed::Bare, Addressed::Full] {
            assert!(![401, 407, 408, 503].contains(&status(condition, addressed)), "{condition:?}");
        }
    }
}

#[test]
fn a_full_queue_of_ours_is_temporary() {
    let error = StanzaError::new(Condition::ResourceConstraint).with_text("The queue is full");
    let answer = to_sip(&error, Addressed::Bare, Origin::Ours);
    assert_eq!((answer.status, answer.retry_after), (Status::TEMPORARILY_UNAVAILABLE, Some(RETRY_AFTER_SECONDS)));
    assert_eq!(answer.text.as_deref(), Some("The queue is full"));
}

#[test]
fn text_and_reason_phrase_map_on_one_line() {
    let error = StanzaError::new(Condition::NotAllowed).with_text(" No\r\nWarning: 399 x\u{0}  \u{fc} ");
    let answer = to_sip(&error, Addressed::Full, Origin::Partner);
    assert_eq!(answer.text.as_deref(), Some("No Warning: 399 x \u{fc}"));
    assert_eq!(to_xmpp(Status::BUSY_HERE, "Busy \tHere").text.as_deref(), Some("Busy Here"));
    assert_eq!(to_xmpp(Status::BUSY_HERE, " ").text, None);
    assert_eq!(one_line(&"a".repeat(300)).len(), 200);
}
