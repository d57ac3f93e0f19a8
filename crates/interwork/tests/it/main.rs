//! Inputs of the fuzzer, played again.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

#[path = "../../../../fuzz/src/pidf.rs"]
mod pidf;

use std::fs;

use proptest::prelude::*;

fn inputs() -> Vec<Vec<u8>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/pidf");
    fs::read_dir(folder).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect()
}

#[test]
fn the_corpus_of_presence_documents_holds_no_surprise() {
    let inputs = inputs();
    assert!(!inputs.is_empty());
    inputs.iter().for_each(|input| pidf::run(input));
}

proptest! {
    #[test]
    fn neither_does_it_changed(which in any::<usize>(), at in any::<usize>(), with in "[\\x00-\\x7f]{0,4}", cut in any::<bool>()) {
        let inputs = inputs();
        let mut input = inputs[which % inputs.len()].clone();
        let at = at % input.len();
        let end = if cut { at } else { (at + with.len()).min(input.len()) };
        input.splice(at..end, with.bytes());
        pidf::run(&input);
    }
}
