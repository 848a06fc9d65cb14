//! A runner that replays prepared outputs and remembers what was run, for tests.

use std::sync::Mutex;

use crate::docker::invocation::Invocation;
use crate::docker::runner::{Failure, Output, Runner};

/// Answers by the start of the command line; the first that fits counts.
#[derive(Default)]
pub(crate) struct FakeRunner {
    replies: Vec<(String, Reply)>,
    calls: Mutex<Vec<Invocation>>,
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
    pub(crate) fn answers(mut self, start: &str, code: i32, stdout: &str, stderr: &str) -> Self {
        let output = Output {
            code,
            stdout: stdout.to_owned(),
            stderr: stderr.to_owned(),
        };
        self.replies.push((start.to_owned(), Reply::Output(output)));
        self
    }

    /// Command lines that start so are killed for taking too long.
    pub(crate) fn hangs(mut self, start: &str) -> Self {
        self.replies.push((start.to_owned(), Reply::Hangs));
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
        let fits = |(start, _): &&(String, Reply)| line.starts_with(start.as_str());
        match self.replies.iter().find(fits) {
            Some((_, Reply::Output(output))) => Ok(output.clone()),
            Some((_, Reply::Hangs)) => Err(Failure::too_slow(invocation)),
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
