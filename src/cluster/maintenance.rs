//! The way out of a maintenance whose restore does not count yet: the request is taken back, and the
//! pods go on with the data that they have or that another pod has.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use crate::cluster::beside::{Access, VOLUME, beside};
use crate::cluster::certainty::Incapable;
use crate::cluster::members::Members;
use crate::cluster::record_file;
use crate::cluster::record_write::{Change, RecordWriter};
use crate::docker::runner::Failure;
use crate::model::ordinal::Ordinal;
use crate::model::refusal::{Refusal, Result};
use crate::model::topology_record::TopologyRecord;

/// What the restored pod's script looks for (`REQUEST` in `restore.sh`). It counts only with the
/// epoch of its maintenance, and holds verifiers.
const REQUEST: &str = ".restore";
/// Looks for the marks of that pod's script in its volume (`restore.sh`). While the data directory holds
/// what was unpacked, the old data are beside it; `.voodu-clone` says that they went first.
const OLD_DATA_ARE_THERE: &str = "\
cd \"$1\" || exit 2
[ ! -e .voodu-clone ] || exit 1
[ -e .voodu-before-restore/PG_VERSION ] || {
  [ -e pgdata/PG_VERSION ] && { [ ! -e .voodu-unpacked-complete ] || [ -d .voodu-unpacked ]; }
} || exit 3";
const REMOVED: i32 = 1;
const NEVER_THERE: i32 = 3;

/// Whether the request of a maintenance is there. It is written before the record, and the restored pod
/// removes it when it gives up; what cannot be read may be one.
pub(crate) fn is_requested(backups_dir: &Path, record: &TopologyRecord) -> bool {
    let request = record_file::open(&backups_dir.join(REQUEST));
    let is_there = match request.and_then(record_file::text) {
        Ok(text) => {
            let epoch = format!("epoch={}", record.epoch);
            text.lines().any(|line| line == epoch)
        }
        Err(error) => error.kind() != ErrorKind::NotFound,
    };
    // A pod that is done removes it too, after the record of that.
    let is_over = || record_file::read(backups_dir).ok().flatten().as_ref() != Some(record);
    is_there || is_over()
}

/// A restore that the pods were asked for.
#[derive(Clone, Copy)]
pub(crate) struct Maintenance<'a> {
    pub(crate) members: Members<'a>,
    pub(crate) writer: RecordWriter<'a>,
    pub(crate) record: &'a TopologyRecord,
}

impl Maintenance<'_> {
    /// Ends the maintenance with the primary that there was. Its pod puts back what it had begun to
    /// replace.
    pub(crate) fn take_back(&self) -> anyhow::Result<()> {
        // The pod sets the mark under the same lock before it removes anything.
        self.end(&self.record.steady(), &|| self.check_old_data())
    }

    /// Ends the maintenance with a standby as the primary. The pod that was to be restored must not
    /// run any more.
    ///
    /// That pod is told in its volume first, by `inform`: by its copy of the maintenance it would go
    /// on with the restore when the shared record is lost.
    pub(crate) fn succeed(
        &self,
        target: Ordinal,
        known: u32,
        inform: impl FnOnce(&TopologyRecord),
    ) -> anyhow::Result<()> {
        let container = self.members.container(target);
        let question = [
            "sh",
            "-c",
            "test -s \"$PGDATA/PG_VERSION\" && test -e \"$PGDATA/standby.signal\"",
        ];
        if !self.members.docker.succeeds(&container, &question)? {
            return Err(Refusal::new(
                format!("pod {container} does not hold the data of a standby"),
                format!("see what it waits for: docker logs {container}"),
            )
            .into());
        }
        let handover = self.record.clone().with_timeline(known).handover(target);
        let next = handover.taken_over(known);
        // Outside a handover there is none.
        let next = next.unwrap_or_else(|| self.record.steady());
        inform(&next);
        self.end(&next, &|| Ok(()))
    }

    fn end(&self, next: &TopologyRecord, allowed: &dyn Fn() -> Result<()>) -> anyhow::Result<()> {
        match self.writer.replace_when(Some(self.record), next, allowed)? {
            Change::Done => {
                fs::remove_file(self.writer.backups_dir.join(REQUEST)).ok();
                Ok(())
            }
            Change::Overtaken(_) => Err(Refusal::new(
                "the restore has just come to its end",
                format!("see how: vd pg:info {}", self.members.cluster.reference),
            )
            .into()),
        }
    }

    /// Refuses when only the restore can give the primary's pod data again. That the data are gone is the
    /// script's own word: docker's failures say nothing about them.
    fn check_old_data(&self) -> Result<()> {
        let Members { cluster, docker } = self.members;
        let (pod, reference) = (self.record.primary, &cluster.reference);
        let unseen = |failure: Failure| {
            Refusal::new(
                format!(
                    "the volume of pod {pod} cannot be looked at, so it is not known whether its old data are still there; nothing was changed: {failure}"
                ),
                "see that docker answers and has the image of the pods, and run it again",
            )
        };
        let gone = |why: &str| {
            let container = self.members.container(pod);
            let next = if is_requested(self.writer.backups_dir, self.record) {
                format!("wait until it is over, which docker logs {container} shows")
            } else {
                let proof = Incapable::without_request(container);
                format!(
                    "{}; restore another backup, or go on with a standby's data: {}",
                    proof.why(),
                    proof.forced(reference, "<ordinal>")
                )
            };
            let reason = format!("pod {pod} {why}, so the restore cannot be taken back");
            Err(Refusal::new(reason, next))
        };
        let look = ["sh", "-c", OLD_DATA_ARE_THERE, "sh", VOLUME];
        let Some(look) = beside(docker, cluster, pod, Access::Read, &look).map_err(unseen)? else {
            return gone("has no volume any more");
        };
        let output = docker.capture(&look).map_err(unseen)?;
        match output.code {
            REMOVED if output.stderr.is_empty() => {
                return gone("has already removed its old data to make room for the backup");
            }
            NEVER_THERE if output.stderr.is_empty() => {
                return gone("holds no data from before the restore");
            }
            _ => {}
        }
        output.succeeded(&look).map(drop).map_err(unseen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pods_script_uses_the_same_names() {
        let restore = include_str!("../../templates/entrypoint/restore.sh");
        assert!(restore.contains(&format!("\nREQUEST=$BACKUPS/{REQUEST}\n")));
        let preamble = include_str!("../../templates/entrypoint/preamble.sh");
        let name = |line: &str| {
            let (_, name) = line.split_once("=$VOLUME/").unwrap();
            assert!(OLD_DATA_ARE_THERE.contains(&format!(" {name}")), "{name}");
        };
        let marks = [
            "CLONE_SENTINEL",
            "UNPACKED",
            "BEFORE_RESTORE",
            "UNPACKED_COMPLETE",
        ];
        for mark in marks.map(|mark| format!("{mark}=")) {
            let mut lines = restore.lines().chain(preamble.lines());
            name(lines.find(|line| line.starts_with(&mark)).unwrap());
        }
    }

    #[test]
    fn a_request_is_missing_when_nobody_carries_it_out() {
        let backups = tempfile::tempdir().unwrap();
        let text =
            "cluster=0123456789abcdef0123456789abcdef\nepoch=8\nprimary=0\nstate=maintenance\n";
        let record: TopologyRecord = text.parse().unwrap();
        let asked = |request: &str| {
            fs::write(backups.path().join(REQUEST), request).unwrap();
            is_requested(backups.path(), &record)
        };
        fs::write(backups.path().join(".topology"), text).unwrap();
        assert!(!is_requested(backups.path(), &record));
        assert!(!asked("cluster=x\nepoch=7\n"));
        assert!(asked("cluster=x\nepoch=8\n"));
        // The pod was done meanwhile.
        fs::write(
            backups.path().join(".topology"),
            record.steady().to_string(),
        )
        .unwrap();
        fs::remove_file(backups.path().join(REQUEST)).unwrap();
        assert!(is_requested(backups.path(), &record));
        // Whatever that is.
        fs::write(backups.path().join(".topology"), text).unwrap();
        fs::create_dir(backups.path().join(REQUEST)).unwrap();
        assert!(is_requested(backups.path(), &record));
    }

    /// A volume with those files, and whether the old data are there.
    #[test]
    fn the_old_data_are_where_a_swap_left_them() {
        let marks = ".voodu-unpacked-complete";
        for (files, code) in [
            (vec!["pgdata/PG_VERSION"], 0),
            (
                vec!["pgdata/PG_VERSION", ".voodu-unpacked/PG_VERSION", marks],
                0,
            ),
            (
                vec![
                    ".voodu-before-restore/PG_VERSION",
                    ".voodu-unpacked/PG_VERSION",
                    marks,
                ],
                0,
            ),
            (
                vec![
                    "pgdata/PG_VERSION",
                    ".voodu-before-restore/PG_VERSION",
                    marks,
                ],
                0,
            ),
            // They went first, for want of room.
            (vec!["pgdata/PG_VERSION", ".voodu-clone"], REMOVED),
            // There were none, or it is not known any more why not.
            (vec!["pgdata/PG_VERSION", marks], NEVER_THERE),
            (vec![], NEVER_THERE),
        ] {
            let volume = tempfile::tempdir().unwrap();
            for file in &files {
                let path = volume.path().join(file);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, "x").unwrap();
            }
            let mut look = std::process::Command::new("sh");
            let look = look
                .args(["-c", OLD_DATA_ARE_THERE, "sh"])
                .arg(volume.path());
            assert_eq!(look.status().unwrap().code(), Some(code), "{files:?}");
        }
    }
}
