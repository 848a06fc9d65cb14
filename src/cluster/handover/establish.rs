//! A record by an operator's word, where there is none that the pods can act on.

use crate::cluster::handover::Handover;
use crate::cluster::handover::fence::Fenced;
use crate::cluster::record_write::Change;
use crate::model::ordinal::Ordinal;
use crate::model::refusal::{Refusal, Result as Checked};
use crate::model::topology_record::TopologyRecord;

impl Handover<'_> {
    /// No record can be acted on, and no pod writes.
    pub(super) fn establish(&self) -> anyhow::Result<()> {
        let mut fenced = Fenced::default();
        let done = self.establish_where_nobody_writes(&mut fenced);
        done.map_err(|error| self.unfence(&fenced, error))
    }

    fn establish_where_nobody_writes(&self, fenced: &mut Fenced) -> anyhow::Result<()> {
        let (cluster, target) = (self.members.cluster, self.wish.target);
        let container = self.members.container(target);
        let others = Ordinal::all(cluster.deployed.replicas).filter(|pod| *pod != target);
        let others = others.map(|pod| Ok((pod, self.known_copy(pod)?)));
        let others = others.collect::<Checked<Vec<_>>>()?;
        let own = self.known_copy(target)?;
        let question = [
            "sh",
            "-c",
            "test -s \"$PGDATA/PG_VERSION\" && { [ -n \"$1\" ] || test -e \"$PGDATA/standby.signal\"; }",
            "sh",
            if own.is_some() { "knows" } else { "" },
        ];
        if !self.members.docker.succeeds(&container, &question)? {
            return Err(Refusal::new(
                format!("pod {container} does not hold the data of a standby"),
                format!("its log says what it waits for: docker logs {container}"),
            )
            .into());
        }
        for (pod, copy) in &others {
            if copy.as_ref().is_some_and(|copy| copy.primary == *pod) {
                self.fence(*pod, fenced)?;
            }
        }
        let told: Vec<_> = others
            .into_iter()
            .filter_map(|(pod, copy)| Some((pod, copy?)))
            .collect();
        let copies = told.iter().map(|(_, copy)| copy.clone());
        let copies: Vec<_> = copies.chain(own).collect();
        let cluster_id = cluster.deployed.cluster_id.clone();
        let next = TopologyRecord::overruled(cluster_id, target, &copies, self.highest_timeline());
        for (pod, _) in &told {
            self.inform(*pod, &next);
        }
        let change = self.writer.replace(None, &next);
        if change != Ok(Change::Done) {
            self.untell(&told);
        }
        match change? {
            Change::Done => {
                self.journal
                    .note(format!("recorded that pod {target} is the primary"));
                Ok(())
            }
            Change::Overtaken(_) => Err(self.overtaken().into()),
        }
    }

    /// A pod's copy of the record, or none. One that cannot be read may have any epoch.
    fn known_copy(&self, pod: Ordinal) -> Checked<Option<TopologyRecord>> {
        self.copy_of_record(pod).map_err(|failure| {
            let container = self.members.container(pod);
            Refusal::new(
                format!(
                    "what pod {container} keeps of the record in its volume is not known, so no record is certain to come after it: {failure}"
                ),
                "see that docker answers and has the image of the pods, and run it again",
            )
        })
    }
}
