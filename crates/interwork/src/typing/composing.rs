//! `application/im-iscomposing+xml` (RFC 3994 §6).

use std::time::Duration;

use xmpp::xml::{ElementRef, XmlWriter};

use crate::document;

use super::{Activity, DOCUMENT_BYTES_MAX, Malformed, REFRESH_DEFAULT, REFRESH_MAX};

/// The media type.
pub const COMPOSING: &str = "application/im-iscomposing+xml";

const NAMESPACE: &str = "urn:ietf:params:xml:ns:im-iscomposing";

/// Longest text of an element that is kept, in bytes.
const TEXT_BYTES_MAX: usize = 64;

/// An isComposing document. Elements of other namespaces are ignored (§3.5).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct IsComposing {
    /// Whether the state is `active`; every other one counts as `idle` (§3.5).
    pub is_active: bool,
    /// When the user last typed, as written: an xs:dateTime.
    pub last_active: Option<String>,
    /// What is composed: `text/plain`, `audio`.
    pub content_type: Option<String>,
    /// When to expect the state again.
    pub refresh: Option<Duration>,
}

impl IsComposing {
    /// That which tells `activity` and no more.
    pub fn of(activity: Activity) -> Self {
        Self { is_active: activity != Activity::Idle, ..Self::default() }
    }

    /// Reads a document.
    ///
    /// # Errors
    /// When it is no XML of at most 4096 bytes, no isComposing, or without a state.
    pub fn read(body: &[u8]) -> Result<Self, Malformed> {
        let batch = document::read(body, DOCUMENT_BYTES_MAX).ok_or(Malformed)?;
        let root = batch.element(0);
        if !root.is("isComposing", NAMESPACE) {
            return Err(Malformed);
        }
        let text = |name| root.child(name, NAMESPACE).map(|child: ElementRef<'_>| child.text().trim_ascii().to_owned());
        let short = |name| text(name).filter(|text| !text.is_empty() && text.len() <= TEXT_BYTES_MAX);
        let state = text("state").ok_or(Malformed)?;
        Ok(Self {
            is_active: state == "active",
            last_active: short("lastactive"),
            content_type: short("contenttype"),
            refresh: text("refresh").and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs),
        })
    }

    /// What it tells: without a refresh interval 120 s hold (§3.3); a longer one than [`REFRESH_MAX`] is cut to that.
    pub fn activity(&self) -> Activity {
        if !self.is_active {
            return Activity::Idle;
        }
        let refresh = self.refresh.filter(|refresh| !refresh.is_zero()).unwrap_or(REFRESH_DEFAULT);
        Activity::Active { refresh: refresh.min(REFRESH_MAX) }
    }

    /// The document, elements in the order of the schema (§6.1).
    pub fn to_xml(&self) -> String {
        let mut writer = XmlWriter::within(&[]);
        writer.start("isComposing", NAMESPACE);
        writer.leaf("state", NAMESPACE, if self.is_active { "active" } else { "idle" });
        for (name, text) in [("lastactive", &self.last_active), ("contenttype", &self.content_type)] {
            if let Some(text) = text {
                writer.leaf(name, NAMESPACE, text);
            }
        }
        if let Some(refresh) = self.refresh {
            writer.leaf("refresh", NAMESPACE, &refresh.as_secs().max(1).to_string());
        }
        writer.end();
        document::write(writer)
    }
}
