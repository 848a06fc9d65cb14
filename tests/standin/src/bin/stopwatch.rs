//! `stopwatch RUNS INPUT PROGRAM...` runs the programs in turn, each with the file as its stdin
//! and `expand` as its argument, and prints each one's median and shortest time in milliseconds.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::fs::File;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Parser;

/// Times whole processes, taking turns so that a slow moment of the machine meets all of them
#[derive(Parser)]
struct Stopwatch {
    /// How many times each program is timed
    runs: usize,
    /// What each program reads
    input: String,
    /// The programs
    #[arg(required = true)]
    programs: Vec<String>,
}

fn main() -> ExitCode {
    match Stopwatch::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

impl Stopwatch {
    fn run(&self) -> Result<()> {
        let warm_up = self.runs / 10 + 1;
        let mut times = vec![Vec::with_capacity(self.runs); self.programs.len()];
        for turn in 0..warm_up + self.runs {
            for (program, times) in self.programs.iter().zip(&mut times) {
                let time = self.time(program)?;
                if turn >= warm_up {
                    times.push(time);
                }
            }
        }
        for times in &mut times {
            times.sort();
            let (median, shortest) = (times.get(times.len() / 2), times.first());
            let (median, shortest) = median.zip(shortest).context("no runs were asked for")?;
            println!("{:.3} {:.3}", milliseconds(median), milliseconds(shortest));
        }
        Ok(())
    }

    /// From before the process is made until all of its output was read and it is gone.
    fn time(&self, program: &str) -> Result<Duration> {
        let input = File::open(&self.input).with_context(|| format!("open {}", self.input))?;
        let mut command = Command::new(program);
        command.arg("expand").stdin(input).stderr(Stdio::inherit());
        let start = Instant::now();
        let output = command.output().with_context(|| format!("run {program}"))?;
        let time = start.elapsed();
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stdout);
            bail!("{program} expand: {}: {said}", output.status);
        }
        Ok(time)
    }
}

fn milliseconds(time: &Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
