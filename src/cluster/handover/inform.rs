//! Leaves the record in the volume of a pod that does not run. Such a pod knows the record only from
//! its own copy when the shared one is lost, and by an old copy it would still be the primary.

use crate::cluster::beside::{Access, LIMIT, beside};
use crate::cluster::handover::Handover;
use crate::cluster::members::Members;
use crate::docker::runner::Failure;
use crate::model::ordinal::Ordinal;
use crate::model::topology_record::TopologyRecord;

/// Where the pods' script keeps its copy (`RECORD_COPY` in `record.sh`), with the volume mounted at
/// its usual place.
const COPY: &str = "/var/lib/postgresql/data/.topology";

/// Replaces the copy whole or not at all; an empty volume gets none.
const WRITE: &str = "\
[ -e \"${1%/*}/pgdata/PG_VERSION\" ] || exit 0
[ ! -d \"$1\" ] || exit 1
temp=$(mktemp \"$1.voodu.XXXXXX\") || exit 1
cat >\"$temp\" && [ \"$(tail -c 1 \"$temp\" | wc -l)\" -eq 1 ] &&
  chmod 0644 \"$temp\" && sync \"$temp\" && mv -f \"$temp\" \"$1\" && sync \"${1%/*}\" && exit 0
rm -f \"$temp\"
exit 1";

impl Handover<'_> {
    /// What a pod keeps as its copy of the record, when it keeps one of this cluster.
    pub(super) fn copy_of_record(&self, pod: Ordinal) -> Result<Option<TopologyRecord>, Failure> {
        let Members { cluster, docker } = self.members;
        // A copy that is not there is no failure.
        let read = ["sh", "-c", "[ ! -e \"$1\" ] || cat \"$1\"", "sh", COPY];
        let Some(invocation) = beside(docker, cluster, pod, Access::Read, &read)? else {
            return Ok(None);
        };
        let copy = docker.ask(&invocation.limit(LIMIT.min(self.journal.left())))?;
        let copy: Option<TopologyRecord> = copy.parse().ok();
        Ok(copy.filter(|copy| copy.cluster == cluster.deployed.cluster_id))
    }

    /// Takes back what pods were told of a record that did not come into force: by its epoch such a copy
    /// would win over the one that did. Each pod gets that one; where there is none, what it had before.
    pub(super) fn untell(&self, told: &[(Ordinal, TopologyRecord)]) {
        let in_force = self.record();
        for (pod, before) in told {
            self.inform(*pod, in_force.as_ref().unwrap_or(before));
        }
    }

    /// Tells a pod whose container was made to stop who the primary is now. One without a volume
    /// has no data that could be started.
    pub(super) fn inform(&self, pod: Ordinal, record: &TopologyRecord) {
        let Members { cluster, docker } = self.members;
        let write = ["sh", "-c", WRITE, "sh", COPY];
        let told = beside(docker, cluster, pod, Access::Write, &write).and_then(|invocation| {
            let Some(invocation) = invocation else {
                return Ok(());
            };
            let invocation = invocation
                .stdin(record.to_string().as_bytes())
                .limit(LIMIT.min(self.journal.left()));
            docker.ask(&invocation).map(drop)
        });
        if let Err(failure) = told {
            self.journal.note(format!(
                "pod {pod} could not be told in its volume, and knows of it by the shared record only: {failure}"
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::beside::VOLUME;

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
