//! Flags that several commands share.

use clap::ValueEnum;
use serde::Serialize;

use crate::model::compression::Compression;
use crate::model::refusal::{Refusal, Result};
use crate::model::retention::{Flags, MaxAge};
use crate::output::Reply;

/// How many backups are kept, and for how long.
#[derive(Debug, clap::Args)]
pub(crate) struct RetentionArgs {
    /// Keep this many backups; 0 lifts the limit for this run
    #[arg(long, value_name = "COUNT")]
    keep: Option<u32>,

    /// Delete what is this much older than the newest one, such as 7d, 2w or 168h; 0 lifts the limit
    #[arg(long, visible_alias = "retention", value_name = "AGE")]
    max_age: Option<MaxAge>,
}

impl RetentionArgs {
    /// What was said; the config decides the rest.
    pub(crate) fn flags(&self) -> Flags {
        Flags {
            keep: self.keep,
            max_age: self.max_age,
        }
    }
}

/// How a dump is compressed.
#[derive(Debug, clap::Args)]
pub(crate) struct CompressArgs {
    /// Compress with gzip:1 to gzip:9, none, and from postgres 16 on zstd:1 to zstd:19 or lz4:1 to
    /// lz4:12; without it BACKUP_COMPRESS of the config decides, else gzip:6
    #[arg(long, value_name = "METHOD")]
    compress: Option<Compression>,

    /// What vd makes of the level: it splits words at a colon
    #[arg(hide = true)]
    level: Option<u8>,
}

impl CompressArgs {
    /// What was said; the config decides the rest.
    pub(crate) fn chosen(&self) -> Result<Option<Compression>> {
        match (self.compress, self.level) {
            (chosen, None) => Ok(chosen),
            (Some(chosen), Some(level)) => chosen.at_level(level).map(Some),
            (None, Some(level)) => Err(Refusal::new(
                format!("the argument {level} belongs to nothing"),
                "leave it out",
            )),
        }
    }
}

/// A number of things: `1 capture`, `2 captures`.
pub(crate) fn count(number: usize, thing: &str) -> String {
    match number {
        1 => format!("1 {thing}"),
        number => format!("{number} {thing}s"),
    }
}

/// The operator's word for what cannot be undone.
#[derive(Debug, clap::Args)]
pub(crate) struct ConfirmArgs {
    /// Do it: it cannot be undone
    #[arg(long)]
    yes: bool,
}

impl ConfirmArgs {
    /// Refuses without it. `what` is a sentence without its full stop.
    pub(crate) fn check(&self, what: impl Into<String>) -> Result<()> {
        if self.yes {
            return Ok(());
        }
        Err(Refusal::new(what, "add --yes to do it"))
    }
}

/// How a reading command answers.
#[derive(Debug, clap::Args)]
pub(crate) struct OutputArgs {
    /// Print text, or one JSON document
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,

    /// The same as -o json, and not wrapped by vd
    #[arg(long)]
    json: bool,
}

/// How `vd` prints the reply of a command that changes something. It hands its own flag on, so the
/// flag must be known here, and changes nothing.
#[derive(Debug, clap::Args)]
pub(crate) struct ReplyArgs {
    /// Let vd print text, or the controller's reply as JSON
    #[arg(short = 'o', long = "output", value_name = "OUTPUT", value_enum)]
    _output: Option<Format>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

impl OutputArgs {
    /// The reply in the wanted form. The document must have no field `status`: the controller
    /// would take it for an envelope.
    pub(crate) fn reply(
        &self,
        document: impl Serialize,
        text: impl FnOnce() -> anyhow::Result<String>,
    ) -> anyhow::Result<Reply> {
        if self.json || self.output == Format::Json {
            Ok(Reply::Document(serde_json::to_string(&document)?))
        } else {
            Ok(Reply::Text(text()?))
        }
    }
}
