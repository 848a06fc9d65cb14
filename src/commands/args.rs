//! Flags that several commands share.

use clap::ValueEnum;
use serde::Serialize;

use crate::output::Reply;

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
