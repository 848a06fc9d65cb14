//! A pod whose server does not run becomes the primary, because the recorded one has no data any more: a
//! former primary goes on with its data as it left them, a standby is promoted. Its script does so as soon as
//! the record names it.

use std::time::Duration;

use crate::cluster::handover::Handover;
use crate::cluster::record_write::Change;
use crate::model::topology_record::TopologyRecord;

/// Behind its split-brain guard a pod has stopped, and docker waits up to a minute before it starts it
/// again.
const RESTART: Duration = Duration::from_secs(8);

impl Handover<'_> {
    pub(super) fn bring_back(&self, record: &TopologyRecord) -> anyhow::Result<()> {
        let target = self.wish.target;
        // The number that was given to the lost history is not given again.
        let next = record.handover(target).taken_over(self.highest_timeline());
        let next = next.unwrap_or_else(|| record.steady());
        match self.writer.replace(Some(record), &next)? {
            Change::Done => self
                .journal
                .note(format!("recorded that pod {target} is the primary")),
            Change::Overtaken(_) => return Err(self.overtaken().into()),
        }
        let container = self.members.container(target);
        if let Err(failure) = self.members.docker.restart(&container, RESTART) {
            self.journal
                .note(format!("{container} could not be started: {failure}"));
        }
        Ok(())
    }
}
