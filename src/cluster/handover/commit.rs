//! Whether a commit on the new primary comes back to an application.

use std::time::Duration;

use crate::cluster::handover::Handover;
use crate::model::excerpt::plain;
use crate::postgres::prospects::Prospects;

/// A commit that a synchronous standby confirms takes milliseconds.
const LIMIT: Duration = Duration::from_secs(2);
/// What the run still needs for its answer.
const RESERVE: Duration = Duration::from_secs(2);

/// Every other session of the plugin commits with `synchronous_commit = local`, and so proves nothing
/// about those of the applications. A message is WAL, without which a commit waits for nobody.
const COMMIT: &str = "SET application_name = 'voodu-commit-proof';
BEGIN;
SELECT set_config('synchronous_commit', $$LEVEL$$, true);
SELECT pg_logical_emit_message(true, 'voodu', 'commit');
COMMIT;";

/// A wait for a standby ends at a cancel request and at no timeout; the commit stays.
const CANCEL: &str = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = 'voodu-commit-proof'";

impl Handover<'_> {
    /// Commits once as an application does, when that may wait for a standby; answers what an
    /// operator has to know when the commit did not come back.
    pub(crate) fn prove_a_commit(&self, target: &Prospects) -> Option<String> {
        let pod = self.wish.target;
        target.sync_standbys()?;
        if self.journal.left() < LIMIT + RESERVE {
            return None;
        }
        let level = target.sync_commit.as_deref().unwrap_or("on");
        let commit = COMMIT.replace("LEVEL", &plain(level).replace('$', ""));
        let failure = self.members.ask_within(pod, &commit, LIMIT).err()?;
        if !failure.timed_out() {
            return None;
        }
        // What cannot be cancelled ends with the first standby that confirms it.
        let _ = self.members.ask(pod, CANCEL);
        let setting = plain(target.sync_names.as_deref().unwrap_or_default());
        Some(format!(
            "pod {pod} accepts writes, but a commit waits for synchronous standbys that do not confirm it (synchronous_standby_names = {setting}): bring them back, or change the setting in the block's pg_config and apply"
        ))
    }
}
