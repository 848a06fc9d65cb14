//! `expand`: what the controller calls during apply, diff and delete.

use anyhow::Context as _;

use crate::cluster::record_file;
use crate::context::Context;
use crate::expand::{Fresh, Surroundings, expand};
use crate::model::refusal::Refusal;
use crate::output::Reply;
use crate::wire::expand_request::ExpandRequest;

/// Turn a postgres block into manifests (the controller calls this during apply)
///
/// Reads one JSON object with kind, scope, name, spec and config from standard input, and prints
/// the asset and the statefulset of the cluster. The first time it also prints the passwords and
/// the identity to store. The same input gives the same output, byte for byte.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  echo '{\"kind\":\"postgres\",\"scope\":\"clowk-lp\",\"name\":\"db\",\"spec\":{\"replicas\":3}}' |
    voodu-postgres expand")]
pub(crate) struct Args {}

/// Expands the request on standard input.
pub(crate) fn run(context: &Context<'_>) -> anyhow::Result<Reply> {
    let input = (context.stdin)().context("read the expand request from standard input")?;
    let input = input.ok_or_else(|| {
        Refusal::new(
            "expand reads a request from standard input, and that is a terminal",
            "pipe the request in; voodu-postgres expand --help shows one",
        )
    })?;
    let request = ExpandRequest::parse(&input)?;
    let surroundings = Surroundings {
        backups_root: context.backups_root()?,
        read_record: &record_file::read,
        find_volume: &|name| context.docker().has_volume(name),
        fresh: fresh(context)?,
    };
    Reply::ok(expand(&request, &surroundings)?)
}

fn fresh(context: &Context<'_>) -> anyhow::Result<Fresh> {
    let (mut password, mut replication, mut id) = ([0; 32], [0; 32], [0; 16]);
    for bytes in [&mut password[..], &mut replication, &mut id] {
        (context.random)(bytes).context("read random bytes")?;
    }
    Ok(Fresh::from_random(password, replication, id))
}
