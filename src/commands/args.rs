//! Flags that several commands share.

use std::time::{Duration, Instant};

use clap::ValueEnum;
use serde::Serialize;

use crate::context::{Caller, Context};
use crate::docker::follow::{ended, follow, log};
use crate::model::compression::Compression;
use crate::model::refusal::{Refusal, Result};
use crate::model::resource_ref::ResourceRef;
use crate::model::retention::{Flags, MaxAge};
use crate::output::{Local, Reply};

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

/// Whether an operator watches what a container does in the background.
#[derive(Debug, clap::Args)]
pub(crate) struct WatchArgs {
    /// Watch it to its end; its exit code becomes the command's
    #[arg(long)]
    follow: bool,
}

/// A container that was started, and what is said of it.
pub(crate) struct Background<'a> {
    pub(crate) cluster: &'a ResourceRef,
    pub(crate) container: String,
    /// As `backups:logs` and `backups:cancel` take it.
    pub(crate) id: String,
    /// What is going on, when it takes longer than a command may: `b007 is being restored`.
    pub(crate) going_on: String,
    /// What a stop means.
    pub(crate) stopping: &'static str,
    /// When the command began.
    pub(crate) began: Instant,
}

/// The plugin is killed at 30 s; it answers before.
const ANSWER_BY: Duration = Duration::from_secs(23);

impl WatchArgs {
    /// Leaves the watching to the operator's side, or waits as long as a command may.
    pub(crate) fn reply(
        &self,
        context: &Context<'_>,
        caller: Caller,
        work: &Background<'_>,
    ) -> anyhow::Result<Reply> {
        if self.follow {
            let local = Local {
                cluster: work.cluster,
                summary: format!("following {}", work.container),
                command: follow(&work.container),
                message: String::new(),
            };
            return local.reply(context, caller);
        }
        let docker = context.docker();
        let left = ANSWER_BY.saturating_sub(work.began.elapsed());
        match ended(docker, &work.container, left)? {
            Some(code) => work.outcome(code, &log(docker, &work.container)?),
            None => Reply::dispatch(work.message(), []),
        }
    }
}

impl Background<'_> {
    /// The last line of a job's log is its result.
    fn outcome(&self, code: i32, log: &str) -> anyhow::Result<Reply> {
        let Self {
            cluster,
            container,
            id,
            ..
        } = self;
        let last = log.trim_end().lines().last().unwrap_or_default();
        if code == 0 {
            return Reply::dispatch(last, []);
        }
        let reason = match last.strip_prefix("failed: ") {
            Some(reason) => reason.to_owned(),
            None => format!("{container} was stopped or killed (exit code {code})"),
        };
        let next = format!("all that it said: vd pg:backups:logs {cluster} {id}");
        Err(Refusal::new(format!("{cluster}: {reason}"), next).into())
    }

    fn message(&self) -> String {
        let Self {
            cluster,
            container,
            id,
            going_on,
            stopping,
            ..
        } = self;
        format!(
            "postgres {cluster}: {going_on} in the background ({id}, container {container})\n  \
             Whether it succeeds: vd pg:backups:logs {cluster} {id} --follow\n  \
             To stop it{stopping}: vd pg:backups:cancel {cluster} {id}"
        )
    }
}
