//! What the tidy tests look at: the workspace as cargo sees it, and its source files as text.
//!
//! The rules themselves are in `tests/tidy`, one file per concern. This crate builds nothing of the product and
//! leaves out what rustfmt, clippy and cargo-deny already check.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::{Metadata, MetadataCommand};

/// The crates that know no socket, clock, randomness, database or async runtime.
pub const PURE_CRATES: [&str; 5] = ["interwork", "lexicon", "policy", "sip", "xmpp"];

/// One text file of the repository.
pub struct Source {
    /// Path below the workspace root, with `/` between the parts.
    pub path: String,
    /// The whole content.
    pub text: String,
}

/// The workspace root.
pub fn root() -> PathBuf {
    let tidy = Path::new(env!("CARGO_MANIFEST_DIR"));
    tidy.ancestors().nth(2).expect("tests/tidy is two levels below the root").to_path_buf()
}

/// The members with their declared dependencies, without anything from the registry.
pub fn members() -> Metadata {
    MetadataCommand::new().manifest_path(root().join("Cargo.toml")).no_deps().exec().expect("cargo metadata answers")
}

/// Packages that are really compiled for `arguments`, as `name version`, sorted, each once.
///
/// From `cargo tree`, because the resolve graph of `cargo metadata` also names optional packages that no feature turns on.
pub fn compiled(arguments: &[&str]) -> Vec<String> {
    let tree = Command::new(env!("CARGO"))
        .current_dir(root())
        .args(["tree", "--locked", "--prefix", "none", "--no-dedupe", "--format", "{p}"])
        .args(arguments)
        .output()
        .expect("cargo runs");
    assert!(tree.status.success(), "cargo tree: {}", String::from_utf8_lossy(&tree.stderr));
    let text = String::from_utf8(tree.stdout).expect("cargo writes UTF-8");
    let mut packages: Vec<String> = text
        .lines()
        .filter_map(|line| line.split_once(" v"))
        .map(|(name, rest)| format!("{name} {}", rest.split(' ').next().unwrap_or(rest)))
        .collect();
    packages.sort();
    packages.dedup();
    packages
}

/// Text files with one of these extensions (or, for `""`, none), sorted by path. Build output and hidden folders are left out,
/// except `.ci`; so is the file that a further working tree of git has in the place of its folder.
pub fn sources(extensions: &[&str]) -> Vec<Source> {
    let root = root();
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the workspace can be read") {
            let path = entry.expect("a folder entry can be read").path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if path.is_dir() {
                if !matches!(name, "target" | "node_modules") && (!name.starts_with('.') || name == ".ci") {
                    folders.push(path);
                }
            } else if name != ".git"
                && extensions.contains(&path.extension().and_then(|e| e.to_str()).unwrap_or_default())
                && let Ok(text) = fs::read_to_string(&path)
            {
                let below = path.strip_prefix(&root).expect("found below the root").display().to_string();
                found.push(Source { path: below, text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// Fails with all `faults` at once, under a sentence saying what the rule is.
pub fn report(rule: &str, faults: &[String]) {
    assert!(faults.is_empty(), "{rule}\n  {}\n", faults.join("\n  "));
}
