//! The way out of a maintenance whose restore replaced nothing yet: the request is taken back, and
//! the pods go on with the data that they have.

use std::fs;

use crate::cluster::beside::{Access, beside};
use crate::cluster::members::Members;
use crate::cluster::record_write::{Change, RecordWriter};
use crate::docker::runner::Failure;
use crate::model::ordinal::Ordinal;
use crate::model::refusal::Refusal;
use crate::model::topology_record::TopologyRecord;

/// What the restored pod's script looks for (`REQUEST` in `restore.sh`). It counts only with the
/// epoch of its maintenance, and holds verifiers.
const REQUEST: &str = ".restore";
/// The script's marks in that pod's volume: `CLONE_SENTINEL` while the old data are gone.
const OLD_DATA_ARE_GONE: &str = "/var/lib/postgresql/data/.voodu-clone";

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
        let primary = self.record.primary;
        if let Some(why) = self.old_data_are_gone(primary)? {
            let cluster = &self.members.cluster.reference;
            return Err(Refusal::new(
                format!("{why}, so the restore cannot be taken back"),
                format!("wait until it is over, which docker logs {} shows; a forced vd pg:promote {cluster} of a standby goes on with that one's data", self.members.container(primary)),
            )
            .into());
        }
        self.end(&self.record.steady())
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
        self.end(&next)
    }

    fn end(&self, next: &TopologyRecord) -> anyhow::Result<()> {
        match self.writer.replace(Some(self.record), next)? {
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

    /// Why only the restore can give that pod data again, if it is so. That the data are gone is `test`'s
    /// own word: docker's failures say nothing about them.
    fn old_data_are_gone(&self, pod: Ordinal) -> anyhow::Result<Option<String>> {
        let Members { cluster, docker } = self.members;
        let look = ["test", "!", "-e", OLD_DATA_ARE_GONE];
        let unseen = |failure: Failure| {
            Refusal::new(
                format!(
                    "the volume of pod {pod} cannot be looked at, so it is not known whether its old data are still there; nothing was changed: {failure}"
                ),
                "see that docker answers and has the image of the pods, and run it again",
            )
        };
        let Some(look) = beside(docker, cluster, pod, Access::Read, &look).map_err(unseen)? else {
            return Ok(Some(format!("pod {pod} has no volume any more")));
        };
        let output = docker.capture(&look).map_err(unseen)?;
        if output.code == 1 && output.stderr.is_empty() {
            return Ok(Some(format!(
                "pod {pod} has already removed its old data to make room for the backup"
            )));
        }
        output.succeeded(&look).map_err(unseen)?;
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::beside::VOLUME;

    #[test]
    fn the_pods_script_uses_the_same_names() {
        let restore = include_str!("../../templates/entrypoint/restore.sh");
        assert!(restore.contains(&format!("\nREQUEST=$BACKUPS/{REQUEST}\n")));
        let preamble = include_str!("../../templates/entrypoint/preamble.sh");
        let name = OLD_DATA_ARE_GONE.strip_prefix(VOLUME).unwrap();
        assert!(preamble.contains(&format!("\nCLONE_SENTINEL=$VOLUME{name}\n")));
    }
}
