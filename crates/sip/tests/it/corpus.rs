//! Inputs of the fuzzer, played again.

#[path = "../../../../fuzz/src/sip_event.rs"]
mod sip_event;
#[path = "../../../../fuzz/src/sip_invite.rs"]
mod sip_invite;
#[path = "../../../../fuzz/src/sip_message.rs"]
mod sip_message;

use std::fs;

use proptest::prelude::*;

fn steps(target: &str) -> Vec<Vec<u8>> {
    let folder = format!("{}/../../fuzz/corpus/{target}", env!("CARGO_MANIFEST_DIR"));
    fs::read_dir(folder).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect()
}

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

#[test]
fn no_known_order_of_steps_breaks_a_session() {
    let steps = steps("sip_invite");
    assert!(!steps.is_empty());
    for input in steps {
        sip_invite::run(&input);
    }
}

#[test]
fn no_known_order_of_steps_breaks_a_subscription() {
    let steps = steps("sip_event");
    assert!(!steps.is_empty());
    for input in steps {
        sip_event::run(&input);
    }
}

proptest! {
    #[test]
    fn neither_does_any_other(input in proptest::collection::vec(any::<u8>(), 0..300)) {
        sip_invite::run(&input);
    }

    #[test]
    fn nor_a_subscription(input in proptest::collection::vec(any::<u8>(), 0..300)) {
        sip_event::run(&input);
    }

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
