//! Sizes and forbidden words of source files.

use tidy::{Source, report, sources};

const LINES_MAX: usize = 800;
const LINES_ARGUED: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;

/// Files between 500 and 800 lines, and why they are not split.
const LONG_FILES: [(&str, &str); 0] = [];

/// Functions past one screen, and why: state tables only.
const LONG_FUNCTIONS: [(&str, &str, &str); 1] =
    [("crates/policy/src/diagnosis/words.rs", "anyway", "a table: one arm for each code, exhaustive by the compiler")];

/// Markers of unfinished or disabled work, put together here so that this file does not contain them.
fn unfinished() -> [String; 6] {
    ["todo!", "unimplemented!", "dbg!"]
        .map(|name| format!("{name}("))
        .into_iter()
        .chain(["ignore", "ignore ="].map(|word| format!("#[{word}")))
        .chain([["FIX", "ME"].concat()])
        .collect::<Vec<_>>()
        .try_into()
        .expect("six markers")
}

/// Folders that exist on one developer's machine only.
fn machine_paths() -> [String; 4] {
    ["root", "work", "home", "Users"].map(|folder| format!("/{folder}/"))
}

fn rust_sources() -> Vec<Source> {
    sources(&["rs"])
}

fn function_name(line: &str) -> Option<&str> {
    let mut words = line.trim_start().split(' ').skip_while(|word| {
        matches!(*word, "pub" | "async" | "const" | "extern" | "unsafe") || word.starts_with("pub(")
    });
    (words.next() == Some("fn")).then(|| words.next()).flatten()?.split(['(', '<']).next()
}

/// Functions of a formatted file with their lengths in lines: a function ends at the next `}` of its own indentation.
fn functions(text: &str) -> Vec<(&str, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line) else { continue };
        let indentation = &line[..line.len() - line.trim_start().len()];
        let rest = &lines[start..];
        let declaration = rest.iter().position(|l| l.trim_end().ends_with(['{', ';', '}'])).unwrap_or(0);
        if !rest[declaration].trim_end().ends_with('{') {
            continue;
        }
        let end = rest.iter().position(|l| l.strip_prefix(indentation) == Some("}")).unwrap_or(0);
        found.push((name, end + 1));
    }
    found
}

#[test]
fn files_are_short_or_argued() {
    let mut faults = Vec::new();
    for source in rust_sources() {
        let lines = source.text.lines().count();
        let argued = LONG_FILES.iter().any(|(path, _)| *path == source.path);
        if lines > LINES_MAX || (lines > LINES_ARGUED && !argued) {
            faults.push(format!("{}: {lines} lines", source.path));
        }
        if argued && lines <= LINES_ARGUED {
            faults.push(format!("{}: short again, remove its reason", source.path));
        }
    }
    report("a file is longer than 500 lines without a reason, or longer than 800:", &faults);
}

#[test]
fn functions_fit_a_screen() {
    let mut faults = Vec::new();
    for source in rust_sources() {
        for (name, lines) in functions(&source.text) {
            let argued = LONG_FUNCTIONS.iter().any(|(path, function, _)| *path == source.path && *function == name);
            if lines > FUNCTION_LINES_MAX && !argued {
                faults.push(format!("{}: {name} has {lines} lines", source.path));
            }
        }
    }
    report("a function is longer than 70 lines:", &faults);
}

#[test]
fn nothing_is_left_unfinished_or_disabled() {
    let mut faults = Vec::new();
    for source in rust_sources() {
        for (number, line) in source.text.lines().enumerate() {
            for marker in unfinished().iter().filter(|marker| line.contains(marker.as_str())) {
                faults.push(format!("{}:{}: {marker}", source.path, number + 1));
            }
        }
    }
    report("markers of unfinished or disabled work:", &faults);
}

#[test]
fn no_file_names_a_path_of_one_machine() {
    let mut faults = Vec::new();
    for source in sources(&["rs", "md", "toml", "sh", "py", "sql", "lua", "yml", ""]) {
        for (number, line) in source.text.lines().enumerate() {
            for path in machine_paths().iter().filter(|path| line.contains(path.as_str())) {
                faults.push(format!("{}:{}: {path}", source.path, number + 1));
            }
        }
    }
    report("absolute paths of one machine:", &faults);
}

/// Test modules may go without a head: their claims speak.
fn is_test_module(path: &str) -> bool {
    path.ends_with("/tests.rs")
        || (path.contains("/tests/") && path.contains("src/"))
        || (path.contains("/tests/it/") && !path.ends_with("/main.rs"))
}

#[test]
fn every_source_file_says_why_it_exists() {
    let faults: Vec<String> = rust_sources()
        .into_iter()
        .filter(|source| !source.text.starts_with("//!"))
        .map(|source| source.path)
        .filter(|path| !is_test_module(path))
        .collect();
    report("a source file without a module head (`//!`) in its first line:", &faults);
}
