//! A run with what is printed of it; and after a failure, the least that still fails.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::journal::Journal;
use crate::options::{Options, write_rounds};
use crate::run::{Summary, folder, run};
use crate::shorter::shortest;
use crate::step::{Generator, Round};

/// Longer than any round and the end of a run take.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

pub fn soak(options: &Options) -> ExitCode {
    if std::env::var("VOODU_E2E").is_ok_and(|value| value == "skip") {
        eprintln!("!!! SKIPPED: a soak needs docker, and the run was started without it !!!");
        return ExitCode::SUCCESS;
    }
    match whole(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn whole(options: &Options) -> Result<(), String> {
    fs::create_dir_all(folder()).map_err(|error| format!("{}: {error}", folder().display()))?;
    let name = format!("{}-{}", options.seed, options.major);
    let journal = journal(&name)?;
    journal.say(format!(
        "soak: SEED={} MAJOR={}, {:.0} minutes, the whole story is in {}",
        options.seed,
        options.major,
        options.time.as_secs_f64() / 60.0,
        folder().join(format!("{name}.log")).display()
    ));
    let until = Instant::now() + options.time;
    watchdog(until + PATIENCE + options.shorten);
    let (summary, outcome) = match &options.replay {
        Some((_, rounds)) => run(
            rounds.iter().cloned(),
            options.major,
            until + PATIENCE,
            &journal,
        ),
        None => run(Generator::new(options.seed), options.major, until, &journal),
    };
    let Err(finding) = outcome else {
        journal.say(format!("nothing was found\n{}", text(&summary)));
        return Ok(());
    };
    journal.say(format!("FOUND: {finding}\n{}", text(&summary)));
    let file = replay_file(&name);
    write_rounds(
        &file,
        options.major,
        &format!("seed {}\n{finding}", options.seed),
        &summary.rounds,
    )?;
    let short = shorten(options, &summary.rounds, &journal);
    Err(format!(
        "\nsoak: SEED={} MAJOR={} found: {finding}\nthe steps:\n{}\nrun them again with make soak REPLAY={}\n{short}",
        options.seed,
        options.major,
        list(&summary.rounds),
        file.display()
    ))
}

fn journal(name: &str) -> Result<Arc<Journal>, String> {
    Ok(Arc::new(Journal::create(
        &folder().join(format!("{name}.log")),
    )?))
}

fn replay_file(name: &str) -> PathBuf {
    folder().join(format!("{name}.steps"))
}

fn list(rounds: &[Round]) -> String {
    let lines: Vec<_> = rounds.iter().map(|round| format!("  {round}")).collect();
    lines.join("\n")
}

fn text(summary: &Summary) -> String {
    let kinds: Vec<_> = summary
        .kinds
        .iter()
        .map(|(kind, count)| format!("{kind} {count}"))
        .collect();
    format!(
        "  {} rounds of {} steps: {}\n  {} rows acknowledged, {} losses announced, which gave up {} rows\n  \
         {} backups restored, {} times a server was a primary, longest gap between two writes {:.1} s",
        summary.rounds.len(),
        summary.kinds.values().sum::<usize>(),
        kinds.join(", "),
        summary.rows,
        summary.announced,
        summary.given_up,
        summary.restored,
        summary.reigns,
        summary.longest_gap
    )
}

/// Whatever hangs, the run ends.
fn watchdog(at: Instant) {
    thread::spawn(move || {
        thread::sleep(at.saturating_duration_since(Instant::now()));
        println!(
            "soak: something hangs, this run is given up; the last lines of its story say where"
        );
        std::process::abort();
    });
}

/// Runs fewer and fewer rounds, as long as there is time and something is still found.
fn shorten(options: &Options, rounds: &[Round], journal: &Journal) -> String {
    let until = Instant::now() + options.shorten;
    let mut attempt = 0;
    let fails = |candidate: &[Round]| {
        attempt += 1;
        let name = format!("{}-{}-shorter-{attempt}", options.seed, options.major);
        let own = self::journal(&name).ok()?;
        journal.say(format!(
            "shortening: {} rounds of {}",
            candidate.len(),
            rounds.len()
        ));
        let (summary, outcome) = run(candidate.iter().cloned(), options.major, until, &own);
        let found = outcome.err();
        journal.say(format!(
            "shortening: {}",
            found.as_deref().unwrap_or("nothing")
        ));
        found.map(|found| (summary.rounds, found))
    };
    let Some((shortest, last)) = shortest(rounds, until, fails) else {
        return "no shorter list was found to fail".to_owned();
    };
    let file = folder().join(format!("{}-{}-short.steps", options.seed, options.major));
    let written = write_rounds(&file, options.major, &last, &shortest);
    format!(
        "shortened, found: {last}\n{}\nwith make soak REPLAY={}\n{}",
        list(&shortest),
        file.display(),
        written.err().unwrap_or_default()
    )
}
