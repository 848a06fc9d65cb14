//! Leaves the record in the volume of a pod that does not run. Such a pod knows the record only from
//! its own copy when the shared one is lost, and by an old copy it would still be the primary.

use std::time::Duration;

use crate::cluster::handover::Handover;
use crate::docker::invocation::Invocation;
use crate::model::ordinal::Ordinal;
use crate::model::topology_record::TopologyRecord;

/// Where the pods' script keeps its copy (`RECORD_COPY` in `record.sh`), with the volume mounted at
/// its usual place.
const COPY: &str = "/var/lib/postgresql/data/.topology";
const VOLUME: &str = "/var/lib/postgresql/data";

/// Replaces the copy whole or not at all; an empty volume gets none.
const WRITE: &str = "\
[ -e \"${1%/*}/pgdata/PG_VERSION\" ] || exit 0
[ ! -d \"$1\" ] || exit 1
temp=$(mktemp \"$1.voodu.XXXXXX\") || exit 1
cat >\"$temp\" && [ \"$(tail -c 1 \"$temp\" | wc -l)\" -eq 1 ] &&
  chmod 0644 \"$temp\" && sync \"$temp\" && mv -f \"$temp\" \"$1\" && sync \"${1%/*}\" && exit 0
rm -f \"$temp\"
exit 1";

/// A container has to be started for it.
const LIMIT: Duration = Duration::from_secs(8);

impl Handover<'_> {
    /// What a pod keeps as its copy of the record, when it keeps one of this cluster.
    pub(super) fn copy_of_record(&self, pod: Ordinal) -> Option<TopologyRecord> {
        let cluster = self.members.cluster;
        let volume = cluster.reference.data_volume(pod);
        if !self.members.docker.has_volume(&volume) {
            return None;
        }
        let mount = format!("{volume}:{VOLUME}:ro");
        let run = [
            "run",
            "--rm",
            "--pull=never",
            "--network=none",
            "--user=postgres",
            "--entrypoint=cat",
            "--volume",
            &mount,
            &cluster.deployed.image,
            COPY,
        ];
        let invocation = Invocation::docker(run).limit(LIMIT.min(self.journal.left()));
        let copy: TopologyRecord = self.members.docker.ask(&invocation).ok()?.parse().ok()?;
        (copy.cluster == cluster.deployed.cluster_id).then_some(copy)
    }

    /// Tells a pod whose container was made to stop who the primary is now. One without a volume
    /// has no data that could be started.
    pub(super) fn inform(&self, pod: Ordinal, record: &TopologyRecord) {
        let cluster = self.members.cluster;
        let volume = cluster.reference.data_volume(pod);
        if !self.members.docker.has_volume(&volume) {
            return;
        }
        let mount = format!("{volume}:{VOLUME}");
        let run = [
            "run",
            "--rm",
            "-i",
            "--pull=never",
            "--network=none",
            "--user=postgres",
            "--entrypoint=sh",
            "--volume",
            &mount,
            &cluster.deployed.image,
            "-c",
            WRITE,
            "sh",
            COPY,
        ];
        let invocation = Invocation::docker(run)
            .stdin(record.to_string().as_bytes())
            .limit(LIMIT.min(self.journal.left()));
        if let Err(failure) = self.members.docker.ask(&invocation) {
            self.journal.note(format!(
                "pod {pod} could not be told in its volume, and knows of it by the shared record only: {failure}"
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pods_script_keeps_its_copy_there() {
        let record = include_str!("../../../templates/entrypoint/record.sh");
        assert!(record.contains("\nRECORD_COPY=$VOLUME/.topology\n"));
        let preamble = include_str!("../../../templates/entrypoint/preamble.sh");
        assert!(preamble.contains("\nVOLUME=${PGDATA%/*}\n"));
        assert_eq!(crate::expand::PGDATA, format!("{VOLUME}/pgdata"));
        assert_eq!(COPY, format!("{VOLUME}/.topology"));
    }
}
