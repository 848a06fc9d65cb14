//! `backups`: what there is.

use std::fmt::Write as _;
use std::str::FromStr;

use serde::Serialize;

use crate::backups::catalog::Backup;
use crate::backups::place::Finder;
use crate::commands::args::OutputArgs;
use crate::context::Context;
use crate::model::byte_size::ByteSize;
use crate::model::refusal::Refusal;
use crate::model::resource_ref::ResourceRef;
use crate::output::Reply;

/// What nobody should rely on finding there.
const NOT_HELD: &str =
    "A backup holds one database: not the server's roles, and not its other databases.\n";

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

/// What became of one cluster's list.
struct Listed {
    cluster: ResourceRef,
    backups: anyhow::Result<Vec<Backup>>,
}

impl Args {
    /// Also gives back the space of captures that were killed.
    pub(crate) fn run(&self, context: &Context<'_>) -> anyhow::Result<Reply> {
        let session = context.session()?;
        let root = context.backups_root()?;
        let finder = session.backups(context, &root);
        let lists = match &self.target {
            Some(Target::Cluster(cluster)) => {
                let backups = Ok(backups(&finder, cluster)?);
                vec![Listed {
                    cluster: cluster.clone(),
                    backups,
                }]
            }
            Some(Target::Scope(scope)) => all(&finder, Some(scope))?,
            None => all(&finder, None)?,
        };
        self.output
            .reply(document(&lists), || Ok(self.text(&lists)))
    }

    fn text(&self, lists: &[Listed]) -> String {
        let one = matches!(self.target, Some(Target::Cluster(_)));
        let empty = |list: &&Listed| list.backups.as_ref().is_ok_and(Vec::is_empty);
        let shown = lists.iter().filter(|list| one || !empty(list));
        let mut parts: Vec<_> = shown.map(part).collect();
        if parts.is_empty() {
            return "There are no backups.".to_owned();
        }
        if !lists.iter().all(|list| empty(&list)) {
            parts.push(NOT_HELD.to_owned());
        }
        parts.join("\n")
    }
}

/// One that cannot be listed must not hide the others.
fn all(finder: &Finder<'_>, scope: Option<&str>) -> anyhow::Result<Vec<Listed>> {
    let clusters = finder.clusters(scope)?.into_iter();
    let list = |cluster: ResourceRef| Listed {
        backups: backups(finder, &cluster),
        cluster,
    };
    Ok(clusters.map(list).collect())
}

fn backups(finder: &Finder<'_>, cluster: &ResourceRef) -> anyhow::Result<Vec<Backup>> {
    let place = finder.find(cluster)?;
    let catalog = place.catalog(finder.docker)?;
    if let Some(directory) = &place.directory {
        catalog.sweep(directory);
    }
    Ok(catalog.backups)
}

fn part(list: &Listed) -> String {
    let cluster = &list.cluster;
    let head = format!("=== Backups for {cluster}\n\n");
    match &list.backups {
        Err(error) => format!("{head}They cannot be listed: {error:#}\n"),
        Ok(backups) if backups.is_empty() => {
            format!("{head}None yet: vd pg:backups:capture {cluster} makes one.\n")
        }
        Ok(backups) => head + &table(backups),
    }
}

fn table(backups: &[Backup]) -> String {
    let width = backups.iter().map(|backup| backup.id.to_string().len());
    let width = width.max().unwrap_or_default();
    let mut text = String::new();
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

/// What `-o json` prints.
#[derive(Serialize)]
struct Document<'a> {
    backups: Vec<Entry<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unlisted: Vec<Unlisted>,
}

#[derive(Serialize)]
struct Entry<'a> {
    cluster: String,
    id: String,
    status: &'static str,
    created_at: Option<String>,
    size_bytes: u64,
    verified: bool,
    file: Option<String>,
    container: Option<&'a str>,
}

#[derive(Serialize)]
struct Unlisted {
    cluster: String,
    reason: String,
}

fn document(lists: &[Listed]) -> Document<'_> {
    let (mut backups, mut unlisted) = (Vec::new(), Vec::new());
    for list in lists {
        let cluster = &list.cluster;
        match &list.backups {
            Ok(list) => backups.extend(list.iter().map(|backup| entry(cluster, backup))),
            Err(error) => unlisted.push(Unlisted {
                cluster: cluster.to_string(),
                reason: format!("{error:#}"),
            }),
        }
    }
    Document { backups, unlisted }
}

fn entry<'a>(cluster: &ResourceRef, backup: &'a Backup) -> Entry<'a> {
    Entry {
        cluster: cluster.to_string(),
        id: backup.id.to_string(),
        status: backup.status.word(),
        created_at: backup.created_at.map(|time| time.to_string()),
        size_bytes: backup.size,
        verified: backup.verified,
        file: backup.file.map(|file| file.to_string()),
        container: backup.container.as_deref(),
    }
}
