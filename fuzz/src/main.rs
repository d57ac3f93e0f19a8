//! `fuzz <target> <seconds>`: mutates the target's corpus from a fixed seed until the time is over.
//!
//! Without coverage feedback this finds shallow faults only; it needs nothing but a stable compiler. An input that makes
//! the target panic is left in `crash-<target>` in the current directory.

use std::{
    env, fs, io, panic,
    process::ExitCode,
    time::{Duration, Instant},
};

use fuzz::{TARGETS, Target};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let parsed = match arguments.as_slice() {
        [name, seconds] => TARGETS.iter().find(|(known, _)| known == name).zip(seconds.parse().ok()),
        _ => None,
    };
    let Some(((name, target), seconds)) = parsed else {
        let names: Vec<_> = TARGETS.iter().map(|(name, _)| *name).collect();
        eprintln!("usage: fuzz <{}> <seconds>", names.join("|"));
        return ExitCode::FAILURE;
    };
    match corpus(name) {
        Ok(corpus) => run(name, *target, &corpus, Duration::from_secs(seconds)),
        Err(error) => {
            eprintln!("the corpus of {name} cannot be read: {error}");
            ExitCode::FAILURE
        }
    }
}

fn corpus(name: &str) -> io::Result<Vec<Vec<u8>>> {
    let directory = format!("{}/corpus/{name}", env!("CARGO_MANIFEST_DIR"));
    let mut paths = fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    paths.into_iter().map(fs::read).collect()
}

fn run(name: &str, target: Target, corpus: &[Vec<u8>], time: Duration) -> ExitCode {
    let end = Instant::now() + time;
    let mut random = Random(0x5eed);
    let mut runs = 0_u64;
    while Instant::now() < end {
        let input = mutated(corpus, &mut random);
        if panic::catch_unwind(|| target(&input)).is_err() {
            let path = format!("crash-{name}");
            eprintln!("run {runs} made {name} panic; the input is in {path}");
            if let Err(error) = fs::write(&path, &input) {
                eprintln!("{path} cannot be written: {error}\n{input:?}");
            }
            return ExitCode::FAILURE;
        }
        runs += 1;
    }
    println!("{name}: {runs} inputs, none made it panic");
    ExitCode::SUCCESS
}

/// Bytes that mean something to one of the readers.
const INTERESTING: &[u8] = b"<>&'\"/=:!?[]#;-@. \t\r\nxa1\0\x7f\xc3\xa9\xef\xbf\xbe\xff";

fn mutated(corpus: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut input = corpus.get(random.below(corpus.len())).cloned().unwrap_or_default();
    for _ in 0..random.below(6) {
        let at = random.below(input.len() + 1);
        let byte = INTERESTING[random.below(INTERESTING.len())];
        match random.below(5) {
            0 => input.insert(at, byte),
            1 if at < input.len() => input[at] = byte,
            2 if at < input.len() => drop(input.remove(at)),
            3 => {
                let end = at + random.below(input.len() - at + 1);
                let copy = input[at..end].to_vec();
                let to = random.below(input.len() + 1);
                input.splice(to..to, copy);
            }
            _ => {
                let other = corpus.get(random.below(corpus.len())).map_or(&[][..], Vec::as_slice);
                let from = random.below(other.len() + 1);
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
        }
    }
    input
}

/// xorshift64: the same inputs in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        if limit == 0 { 0 } else { (self.0 % limit as u64) as usize }
    }
}
