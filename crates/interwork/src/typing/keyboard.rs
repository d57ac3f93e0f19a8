//! Lync's KeyboardActivity, an `application/xml` body in an INFO inside the dialog (the gateway's reference, "Typing").

use xmpp::xml::XmlWriter;

use crate::document;

use super::{Activity, DOCUMENT_BYTES_MAX, Malformed, REFRESH_DEFAULT};

/// The media type.
pub const KEYBOARD: &str = "application/xml";

/// What the document tells: `type` is typing, every other status is not. Nothing is said of when it is told again.
pub(super) fn read(body: &[u8]) -> Result<Activity, Malformed> {
    let batch = document::read(body, DOCUMENT_BYTES_MAX).ok_or(Malformed)?;
    let root = batch.element(0);
    if root.name() != "KeyboardActivity" {
        return Err(Malformed);
    }
    let status = root.children().find(|child| child.name() == "status").ok_or(Malformed)?;
    match status.attribute("status").ok_or(Malformed)?.as_ref() {
        "type" => Ok(Activity::Active { refresh: REFRESH_DEFAULT }),
        _ => Ok(Activity::Idle),
    }
}

pub(super) fn write(activity: Activity) -> String {
    let status = if activity == Activity::Idle { "idle" } else { "type" };
    let mut writer = XmlWriter::within(&[]);
    writer.start("KeyboardActivity", "").start("status", "").attribute("status", status).end().end();
    document::write(writer)
}
