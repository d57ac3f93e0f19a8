//! The table in an imported file: CSV or JSON, as we and PowerShell write them.
//!
//! `Export-Csv` begins with a `#TYPE` line, may write semicolons where the culture does, and puts the name of a type where a
//! list was; `ConvertTo-Json` gives one object instead of a list of one, and wraps lists as `{"value": […], "Count": n}`.
//! Windows PowerShell writes UTF-16. Names of columns are the same in any case.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::api::v1::dto::FieldError;

/// Rows of one file at most.
pub(crate) const ROWS_MAX: usize = 100_000;

/// What a file holds.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Table {
    /// In the order of the file; the names in lower case.
    pub(crate) rows: Vec<Row>,
}

/// One thing, by the names of its columns in lower case.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Row {
    /// Counted from 1, without the header.
    pub(crate) number: usize,
    cells: BTreeMap<String, Value>,
}

impl Table {
    /// Reads a file; the error is a sentence for people.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, String> {
        let text = decode(bytes)?;
        let start = text.trim_start();
        let rows = if start.starts_with('[') || start.starts_with('{') { json(start)? } else { csv(&text)? };
        if rows.len() > ROWS_MAX {
            return Err(format!("the file has {} rows; at most {ROWS_MAX} are read at a time", rows.len()));
        }
        let number = |(index, cells)| Row { number: index + 1, cells };
        Ok(Self { rows: rows.into_iter().enumerate().map(number).collect() })
    }

    /// Whether any row has the column.
    pub(crate) fn has(&self, column: &str) -> bool {
        self.rows.iter().any(|row| row.cells.contains_key(column))
    }
}

fn decode(bytes: &[u8]) -> Result<String, String> {
    let utf16 = |rest: &[u8], unit: fn([u8; 2]) -> u16| {
        let units = rest.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
        char::decode_utf16(units).collect::<Result<String, _>>().map_err(|_| "the file is not UTF-16 text".to_owned())
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] | rest => {
            let text = std::str::from_utf8(rest).map(str::to_owned);
            text.map_err(|_| "the file is neither UTF-8 nor UTF-16 text: export it with -Encoding UTF8".to_owned())
        }
    }
}

type Cells = BTreeMap<String, Value>;

fn json(text: &str) -> Result<Vec<Cells>, String> {
    let object = |map: Map<String, Value>| map.into_iter().map(|(name, value)| (name.to_lowercase(), value)).collect();
    match serde_json::from_str(text).map_err(|error| format!("the file is not JSON: {error}"))? {
        Value::Object(one) => Ok(vec![object(one)]),
        Value::Array(all) => {
            let all = all.into_iter().enumerate().map(|(index, value)| match value {
                Value::Object(one) => Ok(object(one)),
                _ => Err(format!("row {} of the file is not an object", index + 1)),
            });
            all.collect()
        }
        _ => Err("the file is JSON, but neither an object nor a list of objects".to_owned()),
    }
}

fn csv(text: &str) -> Result<Vec<Cells>, String> {
    let text = match text.strip_prefix("#TYPE") {
        Some(rest) => rest.split_once('\n').map_or("", |(_, rest)| rest),
        None => text,
    };
    let header = text.lines().next().unwrap_or_default();
    let delimiter = if header.contains(';') && !header.contains(',') { b';' } else { b',' };
    let mut reader = ::csv::ReaderBuilder::new().delimiter(delimiter).from_reader(text.as_bytes());
    let bad = |error: ::csv::Error| format!("the file is not CSV: {error}");
    let names: Vec<_> = reader.headers().map_err(bad)?.iter().map(|name| name.trim().to_lowercase()).collect();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(bad)?;
        let filled = names.iter().zip(&record).filter(|(_, cell)| !cell.trim().is_empty());
        rows.push(filled.map(|(name, cell)| (name.clone(), Value::from(cell))).collect());
    }
    Ok(rows)
}

/// Reads the cells of one row and keeps every error. Fields of errors are the columns' names.
pub(crate) struct Reader<'a> {
    row: &'a Row,
    pub(crate) errors: Vec<FieldError>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(row: &'a Row) -> Self {
        Self { row, errors: Vec::new() }
    }

    pub(crate) fn refuse(&mut self, column: &str, code: &str, message: impl Into<String>) {
        self.errors.push(FieldError { field: column.to_owned(), code: code.to_owned(), message: message.into() });
    }

    /// The first of the columns that holds something.
    fn cell(&self, columns: &[&str]) -> Option<&'a Value> {
        let filled = |value: &&Value| !value.is_null();
        columns.iter().find_map(|column| self.row.cells.get(*column).filter(filled))
    }

    pub(crate) fn text(&mut self, columns: &[&str]) -> Option<String> {
        match self.cell(columns)? {
            Value::String(text) if is_type_name(text) => {
                let message = format!("{text} stands where a value should: export the file with ConvertTo-Json");
                self.refuse(columns[0], "not_exported", message);
                None
            }
            Value::String(text) => Some(text.trim().to_owned()),
            Value::Bool(flag) => Some(flag.to_string()),
            Value::Number(number) => Some(number.to_string()),
            _ => {
                self.refuse(columns[0], "wrong_type", "a text is needed");
                None
            }
        }
    }

    pub(crate) fn flag(&mut self, columns: &[&str]) -> Option<bool> {
        let text = self.text(columns)?;
        match text.to_lowercase().as_str() {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => {
                self.refuse(columns[0], "wrong_type", format!("{text} was found; True or False is needed"));
                None
            }
        }
    }

    pub(crate) fn number(&mut self, columns: &[&str]) -> Option<i64> {
        let text = self.text(columns)?;
        match text.parse() {
            Ok(number) => Some(number),
            Err(_) => {
                self.refuse(columns[0], "wrong_type", format!("{text} was found; a number is needed"));
                None
            }
        }
    }

    /// A word of ours, or one of the original's: `NotSupported` is `not_supported`.
    pub(crate) fn word(&mut self, columns: &[&str]) -> Option<String> {
        let text = self.text(columns)?;
        if text.parse::<i64>().is_ok() {
            let message = format!(
                "the number {text} was found, whose word only PowerShell knows: export with Export-Csv, or with \
                 ConvertTo-Json -EnumsAsStrings"
            );
            self.refuse(columns[0], "number_for_a_word", message);
            return None;
        }
        let mut word = String::with_capacity(text.len() + 2);
        for c in text.chars() {
            if c.is_uppercase() && word.chars().next_back().is_some_and(|before| before != '_') {
                word.push('_');
            }
            word.extend(c.to_lowercase());
        }
        Some(word)
    }

    /// A list, or what stands in one text between commas, semicolons or white space.
    pub(crate) fn list(&mut self, columns: &[&str]) -> Option<Vec<String>> {
        let value = match self.cell(columns)? {
            Value::Object(wrapped) => wrapped.get("value").unwrap_or(&Value::Null),
            value => value,
        };
        match value {
            Value::Array(items) => {
                let texts = items.iter().map(|item| item.as_str().map(str::to_owned));
                let texts: Option<Vec<_>> = texts.collect();
                if texts.is_none() {
                    self.refuse(columns[0], "wrong_type", "a list of texts is needed");
                }
                texts
            }
            Value::String(_) => {
                let text = self.text(columns)?;
                let is_between = |c: char| matches!(c, ',' | ';') || c.is_whitespace();
                Some(text.split(is_between).filter(|item| !item.is_empty()).map(str::to_owned).collect())
            }
            _ => {
                self.refuse(columns[0], "wrong_type", "a list of texts is needed");
                None
            }
        }
    }
}

/// What `Export-Csv` writes for what it cannot.
fn is_type_name(text: &str) -> bool {
    text.starts_with("System.") || text.starts_with("Microsoft.Rtc.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(bytes: &[u8]) -> Vec<BTreeMap<String, Value>> {
        Table::read(bytes).unwrap().rows.into_iter().map(|row| row.cells).collect()
    }

    #[test]
    fn one_table_in_every_form_that_powershell_writes() {
        let expected = [BTreeMap::from([
            ("identity".to_owned(), Value::from("fabrikam.example")),
            ("tlsnegotiation".to_owned(), Value::from("Required")),
        ])];
        let comma = "#TYPE Microsoft.Rtc.Management.X\r\n\"Identity\",\"TlsNegotiation\",\"ProxyFqdn\"\r\n\
                     \"fabrikam.example\",\"Required\",\"\"\r\n";
        let utf16: Vec<u8> = [0xff, 0xfe].into_iter().chain(comma.encode_utf16().flat_map(u16::to_le_bytes)).collect();
        for text in [
            comma.as_bytes(),
            &utf16,
            b"\xef\xbb\xbfIdentity;TlsNegotiation\nfabrikam.example;Required\n",
            br#"{ "Identity": "fabrikam.example", "TlsNegotiation": "Required" }"#,
            br#"[{ "identity": "fabrikam.example", "TLSNEGOTIATION": "Required" }]"#,
        ] {
            assert_eq!(rows(text), expected, "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        for (bytes, part) in [
            (&b"\xff\xff"[..], "neither UTF-8 nor UTF-16"),
            (b"[1]", "row 1 of the file is not an object"),
            (b"[{]", "not JSON"),
            (b"a,b\n1,2,3\n", "not CSV"),
            (b"\xff\xfe\x00\xd8", "not UTF-16"),
        ] {
            assert!(Table::read(bytes).unwrap_err().contains(part), "{part}");
        }
        let many = "a\n".repeat(ROWS_MAX + 2);
        assert!(Table::read(many.as_bytes()).unwrap_err().contains("at most 100000"));
    }

    #[test]
    fn cells_are_read_as_what_they_are_for() {
        let text = r#"{ "Words": "PublicUnverified", "Enum": 2, "Flag": "True", "Other": true, "Count": "20", "Bad": "x",
            "List": "a.example, b.example", "Wrapped": { "value": ["c.example"], "Count": 1 }, "Type": "System.Object[]",
            "Nothing": null }"#;
        let table = Table::read(text.as_bytes()).unwrap();
        let mut reader = Reader::new(&table.rows[0]);
        assert_eq!(reader.word(&["none", "words"]).as_deref(), Some("public_unverified"));
        assert_eq!(
            (reader.flag(&["flag"]), reader.flag(&["other"]), reader.flag(&["nothing"])),
            (Some(true), Some(true), None)
        );
        assert_eq!(reader.number(&["count"]), Some(20));
        assert_eq!(reader.list(&["list"]).unwrap(), ["a.example", "b.example"]);
        assert_eq!(reader.list(&["wrapped"]).unwrap(), ["c.example"]);
        assert!(reader.errors.is_empty(), "{:?}", reader.errors);
        reader.word(&["enum"]);
        reader.flag(&["bad"]);
        reader.number(&["bad"]);
        reader.list(&["type"]);
        reader.list(&["count2", "other"]);
        let codes: Vec<_> = reader.errors.iter().map(|error| format!("{} {}", error.field, error.code)).collect();
        assert_eq!(
            codes,
            ["enum number_for_a_word", "bad wrong_type", "bad wrong_type", "type not_exported", "count2 wrong_type"]
        );
    }
}
