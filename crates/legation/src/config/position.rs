//! Where in the file a problem is: byte offsets as line, column and field.

use std::fmt;

/// A place in the file, as editors count.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Position {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
}

/// Something that is not allowed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// Where.
    pub position: Position,
    /// The path of keys, such as `xmpp.listen`; empty at the top.
    pub field: String,
    /// What was found and what is allowed.
    pub message: String,
}

/// `LINE:COLUMN: FIELD: MESSAGE`.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.position.line, self.position.column)?;
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.message)
    }
}

impl Position {
    /// Of the character at `offset` in octets.
    pub(super) fn of(text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let start = before.rfind('\n').map_or(0, |end| end + 1);
        Self { line: before.matches('\n').count() + 1, column: before[start..].chars().count() + 1 }
    }
}

/// The keys that lead to `offset`: the last table header and the last key before it.
pub(super) fn field(text: &str, offset: usize) -> String {
    let (table, key) = keys(text, offset);
    join(table, key)
}

/// The key `name` in the table that holds `offset`.
pub(super) fn sibling(text: &str, offset: usize, name: &str) -> String {
    join(keys(text, offset).0, name)
}

fn join(table: &str, key: &str) -> String {
    match (table, key) {
        ("", key) => key.to_owned(),
        (table, "") => table.to_owned(),
        (table, key) => format!("{table}.{key}"),
    }
}

/// Good for messages only: it takes lines as they usually are written and knows no multi-line strings.
fn keys(text: &str, offset: usize) -> (&str, &str) {
    let (mut table, mut key) = ("", "");
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if start > offset {
            break;
        }
        let content = line.trim();
        let header = content.split('#').next().unwrap_or_default().trim();
        if header.starts_with('[') && header.ends_with(']') && !header.contains([',', '"']) {
            (table, key) = (header.trim_matches(['[', ']']).trim(), "");
        } else if let Some((name, _)) = content.split_once('=').filter(|(name, _)| is_key(name)) {
            key = name.trim();
        }
        start += line.len();
    }
    (table, key)
}

fn is_key(name: &str) -> bool {
    let name = name.trim();
    !name.is_empty() && !name.starts_with(['#', '[', '{']) && !name.contains([',', '['])
}
