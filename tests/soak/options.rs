//! What is run.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::step::Round;

/// What a `cargo test` without more runs.
const SEED: u64 = 3669;
const MINUTES: f64 = 3.0;

pub struct Options {
    pub seed: u64,
    pub time: Duration,
    pub major: u16,
    /// Rounds from a file, and which one.
    pub replay: Option<(PathBuf, Vec<Round>)>,
    /// How long a failure is made shorter.
    pub shorten: Duration,
}

impl Options {
    /// Nothing where this test is not meant: arguments are names of tests, as everywhere.
    pub fn read() -> Result<Option<Self>, String> {
        let mut replay = env::var("REPLAY").ok().filter(|file| !file.is_empty());
        let mut words = env::args().skip(1);
        while let Some(word) = words.next() {
            match &word[..] {
                "--replay" => replay = Some(words.next().ok_or("--replay needs a file")?),
                "--list" => {
                    println!("soak: test");
                    return Ok(None);
                }
                "--ignored" => return Ok(None),
                "--skip" | "--test-threads" | "--format" | "--color" => drop(words.next()),
                flag if flag.starts_with('-') => {}
                name if "soak".contains(name) => {}
                _ => return Ok(None),
            }
        }
        let minutes = number("MINUTES", MINUTES)?;
        let mut options = Self {
            seed: number("SEED", SEED)?,
            time: Duration::from_secs_f64(minutes * 60.0),
            major: number("MAJOR", 17)?,
            replay: None,
            shorten: Duration::from_secs_f64(number("SHORTEN", 10.0f64)? * 60.0),
        };
        if let Some(file) = replay {
            let (major, rounds) = read_rounds(file.as_ref())?;
            options.major = number("MAJOR", major)?;
            options.replay = Some((file.into(), rounds));
        }
        Ok(Some(options))
    }
}

fn number<T: std::str::FromStr>(name: &str, default: T) -> Result<T, String> {
    match env::var(name) {
        Ok(text) if !text.is_empty() => text
            .parse()
            .map_err(|_| format!("{name}={text} is no number")),
        _ => Ok(default),
    }
}

const MAJOR: &str = "# postgres ";

/// A line for each round, and the major version in a comment.
pub fn write_rounds(
    file: &Path,
    major: u16,
    heading: &str,
    rounds: &[Round],
) -> Result<(), String> {
    let lines: Vec<_> = rounds.iter().map(ToString::to_string).collect();
    let heading: Vec<_> = heading.lines().map(|line| format!("# {line}")).collect();
    let text = format!(
        "{}\n{MAJOR}{major}\n{}\n",
        heading.join("\n"),
        lines.join("\n")
    );
    fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))
}

fn read_rounds(file: &Path) -> Result<(u16, Vec<Round>), String> {
    let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let major = text.lines().find_map(|line| line.strip_prefix(MAJOR));
    let major = major.and_then(|major| major.parse().ok()).unwrap_or(17);
    let rounds = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok((major, rounds.map(str::parse).collect::<Result<_, _>>()?))
}
