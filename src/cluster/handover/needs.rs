//! What the new primary needs: room for its WAL, a record that its pod can write, the standbys that its
//! commits wait for, limits that let it replay.

use crate::cluster::handover::gate::{Facts, Way, Wish};
use crate::cluster::handover::standing::{Connection, Standby};
use crate::cluster::room::{Room, Rooms};
use crate::cluster::survey::{PodReport, State as Container};
use crate::model::byte_size::ByteSize;
use crate::model::excerpt::plain;
use crate::model::ordinal::Ordinal;
use crate::model::refusal::{Refusal, Result};
use crate::postgres::prospects::{Prospects, Sender};
use crate::postgres::server::{Follower, STANDBY, Server};

/// What is left of a segment's worth of WAL while the next one is made, and some for everything else
/// that a promotion writes: the history file, `pg_control`, the end-of-recovery record.
const BESIDE_WAL: u64 = 32 << 20;
const SEGMENTS: u64 = 2;
const USUAL_SEGMENT: u64 = 16 << 20;

/// The free space that a server's next WAL needs.
pub(crate) fn needed_for_wal(prospects: &Prospects) -> u64 {
    SEGMENTS * prospects.segment_bytes.unwrap_or(USUAL_SEGMENT) + BESIDE_WAL
}

/// A target that replays later than this cannot have everything within the 5 s that it is given.
const LATEST_REPLAY: f64 = 4.0;

/// Standbys that a commit on the new primary can wait for.
struct Confirming {
    /// Those that follow it as far as is known.
    certain: usize,
    /// Those and the ones of which it is not known.
    possible: usize,
}

impl Facts<'_> {
    /// Refuses what the new role needs and the pods do not have. The record's writability can be
    /// forced, because a forced promotion stops the old primary from outside; missing room for WAL
    /// cannot, because nobody could write afterwards.
    pub(super) fn check_room(self, primary: Ordinal, way: &Way, wish: &Wish) -> Result<()> {
        let rooms: &Rooms = self.rooms;
        let target = wish.target;
        if let Some(Room { data, .. }) = rooms.get(&target) {
            let needed = needed_for_wal(&self.prospects(target));
            if *data < needed {
                let name = self.cluster.container(target);
                return Err(Refusal::new(
                    format!(
                        "pod {name} has {} free for WAL, and a primary needs {} to begin with",
                        ByteSize(*data),
                        ByteSize(needed)
                    ),
                    format!(
                        "make room (docker exec {name} df -h), and run this again; or promote another pod"
                    ),
                ));
            }
        }
        let acting = match way {
            Way::HandOver { .. } if !wish.force => [Some(primary), Some(target)],
            Way::TakeOver { .. } if !wish.force => [None, Some(target)],
            _ => [None, None],
        };
        let unable = |pod: Ordinal| Some((pod, rooms.get(&pod)?.complaint.as_ref()?));
        match acting.into_iter().flatten().find_map(unable) {
            None => Ok(()),
            Some((pod, complaint)) => {
                let name = self.cluster.container(pod);
                Err(Refusal::new(
                    format!("pod {name} cannot write the record of who is primary: {complaint}"),
                    format!(
                        "put /backups right (docker exec {name} df -h /backups; docker exec {name} ls -ld /backups), and run this again"
                    ),
                ))
            }
        }
    }

    /// A replay that paused because a limit is lower than the primary's: resuming it would shut the
    /// server down (postgres manual, "Hot Standby").
    pub(super) fn outgrown(self, primary: Ordinal, pod: &PodReport) -> Option<Refusal> {
        let own = Prospects::of(&pod.more);
        let primary = self.prospects(primary);
        let (setting, own, needed) = own.lower_limits(&primary).into_iter().next()?;
        let name = &pod.container;
        Some(Refusal::new(
            format!(
                "pod {name} does not replay: its {setting} = {own} is lower than the primary's {needed}"
            ),
            format!("start it with the primary's value: docker restart {name}"),
        ))
    }

    /// Refuses a primary on which every commit would wait for a synchronous standby that is not
    /// there (postgres manual, "Synchronous Replication").
    pub(super) fn check_sync(self, primary: Ordinal, way: &Way, wish: &Wish) -> Result<()> {
        let prospects = self.prospects(wish.target);
        let Some(named) = prospects.sync_standbys() else {
            return Ok(());
        };
        let possible = self.confirming(primary, way, wish).possible;
        if wish.force || possible >= named.needed {
            return Ok(());
        }
        let others = self.survey.pods.len().saturating_sub(1).max(1);
        Err(Refusal::new(
            commits_wait(&prospects, named.needed, possible, wish.target),
            format!(
                "name standbys of every pod in the block's pg_config, as in synchronous_standby_names = \"ANY {} (*)\", and apply; a forced promotion goes on all the same, and commits wait",
                named.needed.min(others)
            ),
        ))
    }

    /// Counts the named standbys that will stream from the target.
    fn confirming(self, primary: Ordinal, way: &Way, wish: &Wish) -> Confirming {
        let (mut certain, mut possible) = (0, 0);
        let Some(named) = self.prospects(wish.target).sync_standbys() else {
            return Confirming { certain, possible };
        };
        let by_handover = !matches!(way, Way::TakeOver { .. });
        let others = self.survey.pods.iter();
        for pod in others.filter(|pod| pod.ordinal != wish.target) {
            let counts = named.counts(&format!("{STANDBY}{}", pod.ordinal));
            if !counts || pod.state != Container::Running {
                continue;
            }
            if pod.ordinal == primary {
                // Without a handover its data may have to be rewound first.
                let follows = usize::from(by_handover);
                (certain, possible) = (certain + follows, possible + follows);
            } else {
                certain += usize::from(self.follows(primary, pod));
                possible += 1;
            }
        }
        if by_handover {
            let senders = self.prospects(primary).senders;
            let elsewhere = senders
                .iter()
                .filter(|sender| !sender.name.starts_with(STANDBY));
            let streams = |sender: &&Sender| sender.state.as_deref() == Some("streaming");
            possible += elsewhere
                .filter(streams)
                .filter(|sender| named.counts(&sender.name))
                .count();
        }
        Confirming { certain, possible }
    }

    /// Whether a standby follows whoever becomes the primary, as far as is known.
    fn follows(self, primary: Ordinal, pod: &PodReport) -> bool {
        let Some(server) = pod.server() else {
            return false;
        };
        let primary = self.survey.pod(primary).and_then(PodReport::server);
        let streams = |primary: &Server| {
            primary
                .follower(pod.ordinal)
                .is_some_and(Follower::is_streaming)
        };
        server.in_recovery && primary.is_none_or(streams)
    }

    /// That commits will wait, or may.
    pub(super) fn waits(
        self,
        primary: Ordinal,
        way: &Way,
        wish: &Wish,
        new: &Prospects,
    ) -> Option<String> {
        let named = new.sync_standbys()?;
        let there = self.confirming(primary, way, wish);
        if there.certain >= named.needed {
            return None;
        }
        let more = commits_wait(new, named.needed, there.certain, wish.target);
        Some(if there.possible >= named.needed {
            format!("{more}, unless others come")
        } else {
            more
        })
    }
}

fn commits_wait(prospects: &Prospects, needed: usize, there: usize, target: Ordinal) -> String {
    let setting = plain(prospects.sync_names.as_deref().unwrap_or_default());
    format!(
        "every commit on pod {target} would wait: synchronous_standby_names = {setting} needs {needed} of the standbys that it names, and {there} of them would be connected"
    )
}

/// Over a connection that can bring everything over.
pub(super) fn hand_over(
    connection: &Connection,
    wish: &Wish,
    standby: &Standby<'_>,
) -> Result<Way> {
    let (behind, name) = (connection.behind, &standby.pod.container);
    if standby.server.replay_delay > LATEST_REPLAY {
        return Err(Refusal::new(
            format!(
                "pod {name} replays commits {} s late (recovery_min_apply_delay), and writes would pause for as long",
                standby.server.replay_delay
            ),
            "take recovery_min_apply_delay out of the block's pg_config, apply it, and run this again",
        ));
    }
    if wish.force || (connection.is_streaming && behind <= wish.max_lag.0) {
        return Ok(Way::HandOver { behind });
    }
    let bytes = ByteSize(behind);
    let reason = if connection.is_streaming {
        format!(
            "pod {name} is {bytes} behind the primary, and {} are allowed",
            wish.max_lag
        )
    } else {
        format!("pod {name} is still catching up, {bytes} behind the primary")
    };
    Err(Refusal::new(
        format!("{reason}: writes would pause until it has everything"),
        "run this again in a while, or allow more with --max-lag",
    ))
}
