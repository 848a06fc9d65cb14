//! `job`: what the containers that the plugin starts run of it. Not a command for operators: the
//! controller does not know it.

use std::fs::{self, File};
use std::io::BufReader;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Subcommand;

use crate::backups::directory::Directory;
use crate::backups::fetch::{Fetch, room};
use crate::backups::physical_check::check;
use crate::backups::physical_restore::{Checked, begin};
use crate::backups::rehearsal::rehearse;
use crate::cluster::lease::{Holder, Lease};
use crate::context::Context;
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

    /// Let pg_restore try every statement of a dump, and commit none
    Rehearse {
        /// The socket at which it connects
        #[arg(long)]
        socket: PathBuf,

        /// The server's address and port
        #[arg(long)]
        server: SocketAddr,

        /// The file for the reason why the dump cannot be restored, empty when it can
        #[arg(long)]
        reason: PathBuf,
    },

    /// Read a physical backup to its end
    CheckTar {
        #[arg(long)]
        file: PathBuf,
    },

    /// Ask the pods to replace their data by a physical backup
    BeginRestore {
        #[arg(long)]
        backups: PathBuf,

        #[arg(long)]
        cluster_id: String,

        /// The file with what is no argument
        #[arg(long)]
        request: String,

        #[arg(long)]
        tar: String,

        #[arg(long)]
        bytes: u64,

        #[arg(long)]
        checked: String,
    },
}

impl Args {
    /// Does it. The last line says what became of it, as every job's does.
    pub(crate) fn run(&self, context: &Context<'_>) -> anyhow::Result<Reply> {
        let done = match &self.step {
            Step::FetchDump {
                url_file,
                to,
                trusted,
            } => fetch_dump(url_file, to, trusted.as_ref())
                .map_err(|error| format!("failed: {error:#}; the database is as it was")),
            Step::Rehearse {
                socket,
                server,
                reason,
            } => try_dump(socket, *server, reason).map_err(|error| format!("{error:#}")),
            Step::CheckTar { file } => check_tar(file).map_err(|error| format!("{error:#}")),
            Step::BeginRestore {
                backups,
                cluster_id,
                request,
                tar,
                bytes,
                checked,
            } => {
                let checked = Checked {
                    cluster: cluster_id,
                    tar,
                    bytes: *bytes,
                    whole: checked,
                };
                begin_restore(backups, request, &checked, context)
                    .map_err(|error| format!("{error:#}"))
            }
        };
        match done {
            Ok(line) => Ok(Reply::Text(line)),
            Err(line) => {
                tell(&line)?;
                Ok(Reply::Ended(1))
            }
        }
    }
}

fn try_dump(socket: &Path, server: SocketAddr, reason: &Path) -> anyhow::Result<String> {
    let refusal = rehearse(socket, server)?.refusal().unwrap_or_default();
    fs::write(reason, refusal).context("write the reason")?;
    Ok("tried".to_owned())
}

/// Prints the version, and whether every file was held against a checksum.
fn check_tar(file: &Path) -> anyhow::Result<String> {
    let file = File::open(file).context("it cannot be opened")?;
    let found = check(BufReader::with_capacity(1024 * 1024, file))?;
    let sums = if found.sums { "yes" } else { "no" };
    Ok(format!("{} {sums}", found.major))
}

fn begin_restore(
    backups: &Path,
    request: &str,
    checked: &Checked<'_>,
    context: &Context<'_>,
) -> anyhow::Result<String> {
    let directory = Directory::open(backups)?.context("the backups directory is gone")?;
    let given = directory.read_text(request);
    let given = given.context("the request is not there any more")?;
    // No password is changed while the maintenance begins: from then on the pods have the roles'.
    let _lease = Lease::take_alone(backups, "the cluster", Holder::Restore)?;
    let epoch = begin(&directory, &given, checked, context.random)?;
    directory
        .remove(request)
        .context("remove what was asked with")?;
    Ok(epoch.to_string())
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
        room: &room,
    };
    // The download does not depend on who reads of it.
    let size = fetch.run(&mut |line| drop(tell(line)))?;
    Ok(format!("downloaded: {url}, {}", ByteSize(size)))
}
