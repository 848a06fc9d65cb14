//! `backups`: what there is.

use std::fmt::Write as _;
use std::str::FromStr;

use serde_json::{Value, json};

use crate::backups::catalog::Backup;
use crate::backups::place::Place;
use crate::commands::args::OutputArgs;
use crate::context::Context;
use crate::model::byte_size::ByteSize;
use crate::model::refusal::Refusal;
use crate::model::resource_ref::ResourceRef;
use crate::output::Reply;

/// List the backups of a cluster, of a scope, or of all clusters
///
/// A backup is complete when its whole file was read back after it was written; one that was copied
/// here or made by an older version is complete and not verified until the next capture has read
/// it. Running and failed captures are listed as long as docker has their container.
///
/// A dump holds one database: not the server's roles, and not its other databases.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vd pg:backups clowk-lp/db
  vd pg:backups clowk-lp
  vd pg:backups
  vd pg:backups clowk-lp/db --json | jq '.backups[] | {id, status, size_bytes}'")]
pub(crate) struct Args {
    /// A cluster as <scope>/<name>, or a scope; all clusters when left out
    target: Option<Target>,

    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Clone)]
enum Target {
    Cluster(ResourceRef),
    Scope(String),
}

impl FromStr for Target {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        if text.contains('/') {
            return text.parse().map(Self::Cluster);
        }
        // Checked as the scope of some cluster.
        let cluster = ResourceRef::new(text, "db")?;
        Ok(Self::Scope(cluster.scope().to_owned()))
    }
}

impl Args {
    /// Also gives back the space of captures that were killed.
    pub(crate) fn run(&self, context: &Context<'_>) -> anyhow::Result<Reply> {
        let session = context.session()?;
        let root = context.backups_root()?;
        let finder = session.backups(context, &root);
        let places = match &self.target {
            Some(Target::Cluster(cluster)) => vec![finder.find(cluster)?],
            Some(Target::Scope(scope)) => finder.all(Some(scope))?,
            None => finder.all(None)?,
        };
        let mut lists = Vec::new();
        for place in &places {
            let catalog = place.catalog(context.docker())?;
            if let Some(directory) = &place.directory {
                catalog.sweep(directory);
            }
            lists.push((place, catalog.backups));
        }
        self.output
            .reply(document(&lists), || Ok(self.text(&lists)))
    }

    fn text(&self, lists: &[(&Place, Vec<Backup>)]) -> String {
        let one = matches!(self.target, Some(Target::Cluster(_)));
        let shown = lists
            .iter()
            .filter(|(_, backups)| one || !backups.is_empty());
        let parts: Vec<_> = shown.map(|(place, backups)| part(place, backups)).collect();
        if parts.is_empty() {
            return "There are no backups.".to_owned();
        }
        parts.join("\n")
    }
}

fn part(place: &Place, backups: &[Backup]) -> String {
    let cluster = &place.cluster;
    let mut text = format!("=== Backups for {cluster}\n\n");
    if backups.is_empty() {
        return text + &format!("None yet: vd pg:backups:capture {cluster} makes one.\n");
    }
    let width = backups.iter().map(|backup| backup.id.to_string().len());
    let width = width.max().unwrap_or_default();
    let mut line = |[id, status, created, size, verified]: [&str; 5]| {
        // Writing to a string cannot fail.
        writeln!(
            text,
            "{id:width$}  {status:8}  {created:20}  {size:>10}  {verified}"
        )
        .ok();
    };
    line(["ID", "Status", "Created at", "Size", "Verified"]);
    for backup in backups {
        let created = backup
            .created_at
            .map_or_else(|| "-".to_owned(), |time| time.to_string());
        let size = match backup.size {
            0 => "-".to_owned(),
            size => ByteSize(size).to_string(),
        };
        let verified = if backup.verified { "yes" } else { "no" };
        line([
            &backup.id.to_string(),
            backup.status.word(),
            &created,
            &size,
            verified,
        ]);
    }
    text
}

fn document(lists: &[(&Place, Vec<Backup>)]) -> Value {
    let entries = lists
        .iter()
        .flat_map(|(place, backups)| backups.iter().map(|backup| entry(&place.cluster, backup)));
    json!({"backups": entries.collect::<Vec<_>>()})
}

fn entry(cluster: &ResourceRef, backup: &Backup) -> Value {
    json!({
        "cluster": cluster.to_string(),
        "id": backup.id.to_string(),
        "status": backup.status.word(),
        "created_at": backup.created_at.map(|time| time.to_string()),
        "size_bytes": backup.size,
        "verified": backup.verified,
        "file": backup.file.map(|file| file.to_string()),
        "container": backup.container,
    })
}
