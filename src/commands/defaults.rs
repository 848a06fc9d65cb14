//! `defaults`: the complete block, for operators to copy from.

use serde_json::{Value, json};

use crate::commands::args::OutputArgs;
use crate::expand::defaults_text;
use crate::model::defaults;
use crate::output::Reply;

/// Print the complete postgres block with its default values
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  voodu-postgres defaults
  voodu-postgres defaults --json")]
pub(crate) struct Args {
    #[command(flatten)]
    output: OutputArgs,
}

impl Args {
    pub(crate) fn run(&self) -> anyhow::Result<Reply> {
        self.output.reply(document(), defaults_text)
    }
}

/// The plugin's own fields.
fn document() -> Value {
    json!({
        "image": defaults::IMAGE,
        "replicas": defaults::REPLICAS,
        "database": defaults::DATABASE,
        "user": defaults::USER,
        "port": defaults::PORT,
        "password": "",
        "replication_user": defaults::REPLICATION_USER,
        "initdb_locale": defaults::INITDB_LOCALE,
        "initdb_encoding": defaults::INITDB_ENCODING,
        "pg_config": {},
        "extensions": [],
    })
}
