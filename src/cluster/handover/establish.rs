//! A record by an operator's word, where there is none that the pods can act on.

use crate::cluster::handover::Handover;
use crate::cluster::handover::fence::Fenced;
use crate::cluster::record_write::Change;
use crate::docker::runner::Failure;
use crate::model::ordinal::Ordinal;
use crate::model::refusal::Refusal;
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
        let others: Vec<_> = others.map(|pod| (pod, self.copy_of_record(pod))).collect();
        let own = self.copy_of_record(target)?;
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
        // A copy that cannot be read may name its own pod.
        let names_itself = |pod: Ordinal, copy: &Result<Option<TopologyRecord>, Failure>| match copy
        {
            Ok(copy) => copy.as_ref().is_some_and(|copy| copy.primary == pod),
            Err(_) => true,
        };
        for (pod, copy) in &others {
            if names_itself(*pod, copy) {
                self.fence(*pod, fenced)?;
            }
        }
        let copies = others
            .iter()
            .filter_map(|(_, copy)| copy.as_ref().ok()?.clone());
        let copies: Vec<_> = copies.chain(own).collect();
        let cluster_id = cluster.deployed.cluster_id.clone();
        let next = TopologyRecord::overruled(cluster_id, target, &copies, self.highest_timeline());
        let known = others
            .into_iter()
            .filter(|(_, copy)| !matches!(copy, Ok(None)));
        let told: Vec<_> = known
            .map(|(pod, copy)| (pod, copy.ok().flatten()))
            .collect();
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
}
