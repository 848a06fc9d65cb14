//! `backups:restore`: a dump becomes the content of the cluster's database.

use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;

use crate::backups::capture::check_role;
use crate::backups::catalog::{Catalog, Status};
use crate::backups::directory::Directory;
use crate::backups::place;
use crate::backups::restore::{Plan, Restore, Space};
use crate::backups::restore_input::{Host, Input};
use crate::backups::restores::check_in_service;
use crate::cluster::Cluster;
use crate::commands::args::{Background, ConfirmArgs, ReplyArgs, WatchArgs};
use crate::context::Context;
use crate::docker::engine::Docker;
use crate::model::backup_name::BackupName;
use crate::model::dump_source::DumpSource;
use crate::model::refusal::{Refusal, Result};
use crate::model::resource_ref::ResourceRef;
use crate::model::sha256::Sha256;
use crate::output::Reply;
use crate::postgres::psql::Psql;
use crate::postgres::source::Source;

/// Restore a dump into the database of a cluster
///
/// Every object in the dump is dropped and made again as it is in the dump; what is not in it stays.
/// It happens in one transaction, so a restore that fails changes nothing, and not before the file
/// was verified and all statements of the dump were tried. Owners and grants are not restored. The
/// pods stay up; sessions that use the tables wait meanwhile, so stop the applications. The work is
/// done by a container, which goes on when the command ends; the standbys follow by themselves.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vd pg:backups:restore clowk-lp/db b007 --yes
  vd pg:backups:restore clowk-lp/db b007 --yes --follow
  vd pg:backups:restore clowk-lp/db https://host/db.dump --yes
  vd pg:backups:restore clowk-lp/db /srv/backups/db.dump --yes")]
pub(crate) struct Args {
    /// The cluster, as <scope>/<name>
    cluster: ResourceRef,

    /// A backup such as b007, an http(s) URL, or the absolute path of a file on the host
    #[arg(value_name = "BACKUP|URL|FILE")]
    // Not parsed by clap, whose errors would show the password in a URL.
    dump: String,

    #[command(flatten)]
    confirm: ConfirmArgs,

    #[command(flatten)]
    watch: WatchArgs,

    /// Go on only if the file has this checksum
    #[arg(long, value_name = "HEX")]
    sha256: Option<Sha256>,

    /// Go on although an estimate says that the disk has too little room
    #[arg(long)]
    ignore_space: bool,

    #[command(flatten)]
    reply: ReplyArgs,
}

impl Args {
    pub(crate) fn run(&self, context: &Context<'_>) -> anyhow::Result<Reply> {
        let began = Instant::now();
        let source: DumpSource = self.dump.parse()?;
        let cluster = &self.cluster;
        self.confirm.check(format!(
            "{cluster}: a restore replaces what the database has of the dump's objects"
        ))?;
        let session = context.session()?;
        let mut cluster = Cluster::load(&*session.controller, cluster)?;
        let docker = context.docker();
        cluster.await_first_boot(docker)?;
        check_in_service(&cluster)?;
        let directory = place::directory(&cluster)?;
        let input = input(&cluster, source, &directory, docker)?;
        let restore = self.start(context, &cluster, &directory, &input)?;
        let work = Background {
            cluster: &self.cluster,
            going_on: format!("{} is being restored", input.name()),
            stopping: ", which changes nothing",
            id: restore.id.to_string(),
            container: restore.container,
            began,
        };
        self.watch.reply(context, session.caller, &work)
    }

    fn start(
        &self,
        context: &Context<'_>,
        cluster: &Cluster,
        directory: &Directory,
        input: &Input,
    ) -> anyhow::Result<Restore> {
        let docker = context.docker();
        let primary = cluster.topology()?.primary();
        let container = cluster.running(docker, primary)?.container;
        let login = cluster.login();
        let server = Source::ask(Psql::new(docker, &container, login));
        let server = cluster.answered(&container, server)?;
        check_role(cluster, primary, &server)?;
        let binary = (context.binary)().context("find the plugin itself")?;
        let plan = Plan {
            cluster,
            directory,
            primary,
            input,
            sha256: self.sha256.as_ref(),
            space: if self.ignore_space {
                Space::Ignored
            } else {
                Space::Checked
            },
            trusts: server.trusts,
            host: Host {
                binary: &binary,
                trusted: context.trusted(),
            },
            now: (context.now)().into(),
            random: context.random,
        };
        plan.start(docker)
    }
}

/// What is meant, as far as that is known before the file was read.
fn input(
    cluster: &Cluster,
    source: DumpSource,
    directory: &Directory,
    docker: Docker<'_>,
) -> anyhow::Result<Input> {
    match source {
        DumpSource::Backup(name) => {
            let catalog = Catalog::read(&cluster.reference, Some(directory), docker)?;
            Ok(backup(&cluster.reference, name, &catalog)?)
        }
        DumpSource::Url(url) if url.is_loopback() => Err(Refusal::new(
            "the dump is downloaded in the network of the pod, where that address is the pod itself",
            "name the host by another address, or the file by its absolute path on the host",
        )
        .into()),
        DumpSource::Url(url) => Ok(Input::Url(url)),
        DumpSource::File(path) => {
            check_file(&path, directory)?;
            Ok(Input::File(path))
        }
    }
}

fn backup(cluster: &ResourceRef, name: BackupName, catalog: &Catalog) -> Result<Input> {
    let backup = catalog.find(name)?;
    let file = backup.file.filter(|_| backup.status == Status::Complete);
    file.map(Input::Backup).ok_or_else(|| {
        Refusal::new(
            format!("{cluster}: backup {name} is {}", backup.status.word()),
            format!("only a complete one can be restored; vd pg:backups {cluster} lists them"),
        )
    })
}

/// The service of the controller need not see all of the host's files: docker decides then. A link
/// in the backups directory may be anybody's.
fn check_file(path: &Path, directory: &Directory) -> Result<()> {
    let found = if path.starts_with(directory.path()) {
        path.symlink_metadata()
    } else {
        path.metadata()
    };
    match found {
        Ok(found) if !found.is_file() => Err(Refusal::new(
            format!("{} is not a file", path.display()),
            "name the dump itself",
        )),
        _ => Ok(()),
    }
}
