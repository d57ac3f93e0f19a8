//! Inputs of the fuzzer, played again.

#[path = "../../../../fuzz/src/sip_message.rs"]
mod sip_message;

use std::fs;

use proptest::prelude::*;

fn inputs() -> Vec<Vec<u8>> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let folders = ["fuzz/corpus/sip_message", "tests/vectors/rfc4475", "tests/vectors/rfc5118"];
    let paths = folders.iter().flat_map(|folder| fs::read_dir(format!("{root}/{folder}")).unwrap());
    paths.map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect()
}

#[test]
fn the_corpus_holds_no_surprise() {
    let inputs = inputs();
    assert!(inputs.len() > 50);
    for input in inputs {
        sip_message::run(&input);
    }
}

proptest! {
    #[test]
    fn neither_does_the_corpus_changed(which in any::<usize>(), at in any::<usize>(), with in "[\\x00-\\x7f]{0,4}", cut in any::<bool>()) {
        let inputs = inputs();
        let mut input = inputs[which % inputs.len()].clone();
        let at = at % input.len();
        let end = if cut { at } else { (at + with.len()).min(input.len()) };
        input.splice(at..end, with.bytes());
        sip_message::run(&input);
    }
}
