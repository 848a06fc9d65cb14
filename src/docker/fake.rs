//! A runner that replays prepared outputs and remembers what was run, for tests.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::docker::invocation::Invocation;
use crate::docker::runner::{Failure, Output, Runner};

/// Answers by the start of the command line; the first that fits counts.
#[derive(Default)]
pub(crate) struct FakeRunner {
    replies: Vec<Prepared>,
    calls: Mutex<Vec<Invocation>>,
}

struct Prepared {
    start: String,
    reply: Reply,
    /// How often it still answers.
    left: AtomicUsize,
}

enum Reply {
    Output(Output),
    Hangs,
}

impl FakeRunner {
    /// Command lines that start so print that and succeed.
    pub(crate) fn prints(self, start: &str, stdout: &str) -> Self {
        self.answers(start, 0, stdout, "")
    }

    /// Command lines that start so end with that exit code.
    pub(crate) fn answers(self, start: &str, code: i32, stdout: &str, stderr: &str) -> Self {
        let output = Output {
            code,
            stdout: stdout.to_owned(),
            stderr: stderr.to_owned(),
        };
        self.prepare(start, Reply::Output(output))
    }

    /// Command lines that start so are killed for taking too long.
    pub(crate) fn hangs(self, start: &str) -> Self {
        self.prepare(start, Reply::Hangs)
    }

    /// What was prepared last answers once; what is prepared next comes after it.
    pub(crate) fn once(self) -> Self {
        if let Some(last) = self.replies.last() {
            last.left.store(1, Ordering::Relaxed);
        }
        self
    }

    fn prepare(mut self, start: &str, reply: Reply) -> Self {
        self.replies.push(Prepared {
            start: start.to_owned(),
            reply,
            left: AtomicUsize::new(usize::MAX),
        });
        self
    }

    /// The command lines so far, each as one line.
    pub(crate) fn calls(&self) -> Vec<String> {
        let calls = self.calls.lock().unwrap();
        calls.iter().map(|call| call.argv.join(" ")).collect()
    }

    /// The command lines so far, with input and environment.
    pub(crate) fn invocations(&self) -> Vec<Invocation> {
        self.calls.lock().unwrap().clone()
    }

    fn reply(&self, invocation: &Invocation) -> Result<Output, Failure> {
        self.calls.lock().unwrap().push(invocation.clone());
        let line = invocation.argv.join(" ");
        let mut fitting = self
            .replies
            .iter()
            .filter(|prepared| line.starts_with(prepared.start.as_str()));
        let usable = |prepared: &&Prepared| {
            let take = |left: usize| left.checked_sub(1);
            let (ok, no) = (Ordering::Relaxed, Ordering::Relaxed);
            prepared.left.fetch_update(ok, no, take).is_ok()
        };
        match fitting.find(usable).map(|prepared| &prepared.reply) {
            Some(Reply::Output(output)) => Ok(output.clone()),
            Some(Reply::Hangs) => Err(Failure::too_slow(invocation)),
            None => panic!("nothing is prepared for: {line}"),
        }
    }
}

impl Runner for FakeRunner {
    fn capture(&self, invocation: &Invocation) -> Result<Output, Failure> {
        self.reply(invocation)
    }

    fn attach(&self, invocation: &Invocation) -> Result<u8, Failure> {
        let output = self.reply(invocation)?;
        Ok(u8::try_from(output.code).unwrap())
    }
}
