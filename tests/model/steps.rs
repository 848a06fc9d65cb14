//! What can happen next. A step of a pod or of the plugin uses its view of the record and nothing
//! else of the world that it could not see.

use crate::world::{Pod, Record, Server, State, World};

/// Who takes a step, and in which function.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Actor {
    /// Clients, the network, crashes.
    Fate,
    /// A function of the pods' scripts.
    Script(&'static str),
    /// A function of the plugin.
    Plugin(&'static str),
}

pub struct Step {
    pub actor: Actor,
    pub pod: Pod,
    pub world: World,
}

/// Every step that can be taken in that world.
pub fn steps(world: &World) -> Vec<Step> {
    let mut steps = Vec::new();
    for pod in 0..world.pods.len() {
        fate(world, pod, &mut steps);
        scripts(world, pod, &mut steps);
    }
    plugin(world, &mut steps);
    steps
}

type Steps = Vec<Step>;

fn step(steps: &mut Steps, world: &World, actor: Actor, pod: Pod, act: impl FnOnce(&mut World)) {
    let mut next = world.clone();
    act(&mut next);
    if next != *world {
        steps.push(Step {
            actor,
            pod,
            world: next,
        });
    }
}

fn fate(world: &World, pod: Pod, steps: &mut Steps) {
    let member = &world.pods[pod];
    if member.writes() && world.left.commits > 0 {
        step(steps, world, Actor::Fate, pod, |next| {
            next.left.commits -= 1;
            let entry = next.append(pod);
            next.acknowledged.push(entry);
        });
    }
    if member.up && world.left.crashes > 0 {
        step(steps, world, Actor::Fate, pod, |next| {
            next.left.crashes -= 1;
            next.pods[pod].dies();
        });
    }
    let followed = member.view.filter(|_| member.server == Server::Standby);
    if let Some(entry) = followed.and_then(|view| missing(world, pod, view.primary)) {
        step(steps, world, Actor::Fate, pod, |next| {
            next.pods[pod].wal.push(entry);
        });
    }
}

/// The next entry that a standby gets from the pod that it follows.
fn missing(world: &World, standby: Pod, primary: Pod) -> Option<u8> {
    let (have, source) = (&world.pods[standby].wal, &world.pods[primary]);
    let rest = source.wal.strip_prefix(&have[..])?;
    if source.sends() {
        rest.first().copied()
    } else {
        None
    }
}

/// What docker and the supervisor do.
fn scripts(world: &World, pod: Pod, steps: &mut Steps) {
    let member = &world.pods[pod];
    let mut by = |name, act: &dyn Fn(&mut World)| {
        step(steps, world, Actor::Script(name), pod, act);
    };
    if !member.up {
        by("main", &|next| next.pods[pod].up = true);
        return;
    }
    if member.view != Some(world.record) {
        by("observe", &|next| next.pods[pod].view = Some(next.record));
    }
    match member.server {
        Server::Promoting => by("promote_server", &|next| {
            next.append(pod);
            next.pods[pod].server = Server::Primary;
            next.pods[pod].standby = false;
        }),
        Server::Stopping => {
            by("hand_over_server", &|next| {
                next.append(pod);
                next.pods[pod].server = Server::Draining;
            });
            // After 20 s it is not waited for any longer.
            by("hand_over_server", &|next| {
                next.pods[pod].server = Server::Down;
            });
        }
        Server::Draining => by("stop_server", &|next| {
            next.pods[pod].server = Server::Down;
            next.pods[pod].clean = true;
        }),
        Server::Down | Server::Standby | Server::Primary => {
            if let Some(view) = member.view {
                decided(world, pod, view, &mut by);
            }
        }
    }
}

/// Takes a step of a function by that name.
type Taken<'a> = dyn FnMut(&'static str, &dyn Fn(&mut World)) + 'a;

/// `decide` and `role_holds`, by what the pod saw last.
fn decided(world: &World, pod: Pod, view: Record, by: &mut Taken<'_>) {
    let member = &world.pods[pod];
    let mine = view.primary == pod;
    let end_handover = |next: &mut World| {
        next.replace(view, |record| record.state = State::Steady);
    };
    match (view.state, member.server) {
        (State::Steady, Server::Down) if mine && !member.standby => {
            by("act_run_primary", &|next| {
                next.pods[pod].server = Server::Primary;
                next.pods[pod].clean = false;
            });
        }
        (State::Steady, Server::Standby) if mine => {
            by("promote_server", &|next| {
                next.pods[pod].server = Server::Promoting;
            });
        }
        (State::Steady, Server::Primary) if !mine => {
            by("stop_server", &|next| {
                next.pods[pod].server = Server::Stopping;
            });
        }
        (State::Handover { .. }, _) if mine && member.standby => {
            by("record_take_back", &end_handover);
        }
        (State::Handover { target, .. }, Server::Primary) if mine => {
            by("target_sender", &end_handover);
            if missing_nothing_but_what_is_sent(world, target, pod) {
                by("hand_over_server", &|next| {
                    next.pods[pod].server = Server::Stopping;
                });
            }
        }
        (State::Handover { stopped_at, .. }, Server::Down) if mine => {
            let last = member.wal.last().copied().filter(|_| member.clean);
            if last.is_none() || stopped_at == last {
                by("record_take_back", &end_handover);
            } else {
                by("record_stopped", &|next| {
                    next.replace(view, |record| set_stopped_at(record, last));
                });
            }
        }
        (
            State::Handover {
                target,
                stopped_at: Some(at),
            },
            Server::Standby,
        ) if target == pod => {
            if member.wal.contains(&at) {
                by("record_take_over", &|next| {
                    next.replace(view, |record| {
                        record.state = State::Steady;
                        record.primary = pod;
                        record.clean = Some(view.primary);
                    });
                });
            } else {
                by("record_give_back", &end_handover);
            }
        }
        (_, Server::Down) if member.standby => {
            by("act_follow", &|next| {
                next.pods[pod].server = Server::Standby;
            });
        }
        (_, Server::Down) if view.clean == Some(pod) && member.clean => {
            by("act_follow_clean", &|next| next.pods[pod].standby = true);
        }
        _ => {}
    }
}

/// The target streams: it has a part of the primary's history, and runs.
fn missing_nothing_but_what_is_sent(world: &World, target: Pod, primary: Pod) -> bool {
    let target = &world.pods[target];
    target.server == Server::Standby && world.pods[primary].wal.starts_with(&target.wal)
}

fn set_stopped_at(record: &mut Record, at: Option<u8>) {
    if let State::Handover { stopped_at, .. } = &mut record.state {
        *stopped_at = at;
    }
}

/// The plugin may be killed at any moment; the next one starts from the record.
fn plugin(world: &World, steps: &mut Steps) {
    let mut by = |name, act: &dyn Fn(&mut World)| {
        step(steps, world, Actor::Plugin(name), 0, act);
    };
    let Some(view) = world.plugin else {
        by("read", &|next| next.plugin = Some(next.record));
        return;
    };
    by("read", &|next| {
        next.plugin = None;
        next.killed = false;
    });
    match view.state {
        State::Steady if world.left.handovers > 0 => {
            for target in (0..world.pods.len()).filter(|pod| *pod != view.primary) {
                by("handover", &|next| {
                    next.left.handovers -= 1;
                    next.plugin = None;
                    next.replace(view, |record| {
                        record.state = State::Handover {
                            target,
                            stopped_at: None,
                        };
                    });
                });
            }
        }
        State::Steady => {}
        State::Handover { target, .. } => {
            by("steady", &|next| {
                next.plugin = None;
                next.killed = false;
                next.replace(view, |record| record.state = State::Steady);
            });
            // One that nobody carries on is given up for another pod; here at any time.
            let others = (0..world.pods.len()).filter(|pod| ![view.primary, target].contains(pod));
            for other in others.filter(|_| world.left.handovers > 0) {
                by("handover", &|next| {
                    next.left.handovers -= 1;
                    next.plugin = None;
                    next.killed = false;
                    next.replace(view, |record| {
                        record.state = State::Handover {
                            target: other,
                            stopped_at: None,
                        };
                    });
                });
            }
            if world.killed {
                by("taken_over", &|next| force(next, view, target));
            } else if world.left.forced > 0 {
                by("fence", &|next| {
                    next.left.forced -= 1;
                    next.killed = true;
                    next.pods[view.primary].dies();
                });
            }
        }
    }
}

/// Commits in the target's place; what it does not have is given up.
fn force(next: &mut World, view: Record, target: Pod) {
    next.plugin = None;
    next.killed = false;
    let committed = next.replace(view, |record| {
        record.state = State::Steady;
        record.primary = target;
        record.clean = None;
    });
    if committed {
        let wal = next.pods[target].wal.clone();
        next.acknowledged.retain(|entry| wal.contains(entry));
    }
}
