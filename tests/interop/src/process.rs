//! A child process with its output as the thing to wait on.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

/// The longest that any observation is waited for.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Between two looks at something that cannot wake us (a port, a status).
pub(crate) const GLANCE: Duration = Duration::from_millis(20);

#[derive(Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    grown: Condvar,
    /// Output streams that have ended; at two the program is gone or mute.
    ended: AtomicU8,
}

impl Log {
    fn lines(&self) -> MutexGuard<'_, Vec<String>> {
        self.lines.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn read(self: Arc<Self>, stream: impl Read + Send + 'static) {
        thread::spawn(move || {
            let mut reader = BufReader::new(stream);
            let mut line = Vec::new();
            while matches!(reader.read_until(b'\n', &mut line), Ok(1..)) {
                self.lines().push(String::from_utf8_lossy(&line).trim_end().to_owned());
                self.grown.notify_all();
                line.clear();
            }
            let lines = self.lines();
            self.ended.fetch_add(1, Ordering::SeqCst);
            drop(lines);
            self.grown.notify_all();
        });
    }
}

/// A running program. Killed and reaped when dropped.
pub struct Process {
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    log: Arc<Log>,
}

impl Process {
    /// Starts `program`; both its outputs go to one log, line by line. It dies with this process even when that is killed.
    pub fn start(name: &str, program: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--", program]).args(arguments);
        command.env_remove("LEGATION_CONFIG").env_remove("RUST_LOG");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{name} cannot be started: {error}"));
        let log = Arc::new(Log::default());
        Arc::clone(&log).read(child.stdout.take().expect("stdout is piped"));
        Arc::clone(&log).read(child.stderr.take().expect("stderr is piped"));
        let stdin = child.stdin.take();
        Self { name: name.to_owned(), child, stdin, log }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Writes one line to its standard input.
    pub fn write_line(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("stdin stays open while the process lives");
        writeln!(stdin, "{line}").and_then(|()| stdin.flush()).unwrap_or_else(|e| panic!("{}: {e}", self.name));
    }

    /// How many lines it has written so far: a mark to search from.
    pub fn mark(&self) -> usize {
        self.log.lines().len()
    }

    /// Everything that it has written since `mark`.
    pub fn since(&self, mark: usize) -> Vec<String> {
        self.log.lines()[mark..].to_vec()
    }

    /// Waits until `find` finds something among the lines after `mark`. Panics with the log when that takes too long.
    pub fn find<T>(&self, what: &str, mark: usize, find: impl Fn(&[String]) -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        let mut lines = self.log.lines();
        loop {
            let over = self.log.ended.load(Ordering::SeqCst) == 2;
            if let Some(found) = find(&lines[mark..]) {
                return found;
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || over {
                let tail = lines[lines.len().saturating_sub(120)..].join("\n  ");
                drop(lines);
                panic!("{}: no {what} before its end or within {PATIENCE:?}; its last lines:\n  {tail}", self.name);
            }
            lines = self.log.grown.wait_timeout(lines, left).unwrap_or_else(std::sync::PoisonError::into_inner).0;
        }
    }

    /// Waits for a line after `mark` that contains all of `parts`.
    pub fn wait_for(&self, mark: usize, parts: &[&str]) -> String {
        self.find(&format!("line with {parts:?}"), mark, |lines| {
            lines.iter().find(|line| parts.iter().all(|part| line.contains(part))).cloned()
        })
    }

    /// Whether any line after `mark` contains all of `parts`, now.
    pub fn has(&self, mark: usize, parts: &[&str]) -> bool {
        self.log.lines()[mark..].iter().any(|line| parts.iter().all(|part| line.contains(part)))
    }

    /// SIGKILL, and the end observed.
    pub fn kill(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.child.kill().unwrap_or_else(|e| panic!("{}: {e}", self.name));
        }
        self.child.wait().unwrap_or_else(|e| panic!("{}: {e}", self.name));
    }

    /// Waits for it to end by itself and tells whether it reported success.
    pub fn ended(&mut self) -> bool {
        self.ended_within(PATIENCE)
    }

    /// The same for a program that may take this long.
    pub fn ended_within(&mut self, patience: Duration) -> bool {
        self.stdin = None;
        let child = &mut self.child;
        until_within(patience, &format!("end of {}", self.name), || child.try_wait().ok().flatten()).success()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            let lines = self.log.lines();
            let tail = lines[lines.len().saturating_sub(200)..].join("\n  ");
            let _ = writeln!(std::io::stderr(), "--- {}:\n  {tail}", self.name);
        }
    }
}

/// Looks again and again until `look` sees something. Panics with `what` when that takes longer than [`PATIENCE`].
pub fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    until_within(PATIENCE, what, look)
}

fn until_within<T>(patience: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + patience;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < end, "no {what} within {patience:?}");
        thread::sleep(GLANCE);
    }
}
