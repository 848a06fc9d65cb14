//! `job`: what the containers that the plugin starts run of it. Not a command for operators: the
//! controller does not know it.

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Subcommand;

use crate::backups::fetch::Fetch;
use crate::model::byte_size::ByteSize;
use crate::model::dump_url::DumpUrl;
use crate::output::{Reply, tell};

/// Do one step of a job
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    step: Step,
}

#[derive(Debug, Subcommand)]
enum Step {
    /// Download a dump into a file
    FetchDump {
        /// The file with the URL, which is not an argument because it can hold a password
        #[arg(long)]
        url_file: PathBuf,

        /// The file to write, which must not be there yet
        #[arg(long)]
        to: PathBuf,

        /// The certificates to trust, in PEM form
        #[arg(long)]
        trusted: Option<PathBuf>,
    },
}

impl Args {
    /// Does it; the last line says what became of it, as every job's does.
    pub(crate) fn run(&self) -> anyhow::Result<Reply> {
        let done = match &self.step {
            Step::FetchDump {
                url_file,
                to,
                trusted,
            } => fetch_dump(url_file, to, trusted.as_ref()),
        };
        match done {
            Ok(line) => Ok(Reply::Text(line)),
            Err(error) => {
                tell(&format!("failed: {error:#}; the database is as it was"))?;
                Ok(Reply::Ended(1))
            }
        }
    }
}

fn fetch_dump(
    url_file: &PathBuf,
    to: &PathBuf,
    trusted: Option<&PathBuf>,
) -> anyhow::Result<String> {
    let text = fs::read_to_string(url_file).context("the URL is not there any more")?;
    let url: DumpUrl = text.trim_end().parse()?;
    fs::remove_file(url_file).context("remove the file with the URL")?;
    let fetch = Fetch {
        url: &url,
        to,
        trusted: trusted.map(PathBuf::as_path),
    };
    // The download does not depend on who reads of it.
    let size = fetch.run(&mut |line| drop(tell(line)))?;
    Ok(format!("downloaded: {url}, {}", ByteSize(size)))
}
