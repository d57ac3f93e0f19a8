//! The seeds and finds of fuzzing, replayed: none of them may break a property again.

use std::{fs, path::Path};

use crate::fuzz_targets;

fn replay(name: &str, target: fn(&[u8])) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name);
    let mut replayed = 0;
    for entry in fs::read_dir(&directory).expect("a corpus") {
        target(&fs::read(entry.expect("an entry").path()).expect("a readable input"));
        replayed += 1;
    }
    assert!(replayed > 0, "an empty corpus proves nothing");
}

#[test]
fn the_corpus_of_the_framer_holds() {
    replay("framer", fuzz_targets::framer::run);
}

#[test]
fn the_corpus_of_the_tokenizer_holds() {
    replay("tokenizer", fuzz_targets::tokenizer::run);
}

#[test]
fn the_corpus_of_addresses_holds() {
    replay("jid", fuzz_targets::jid::run);
}
