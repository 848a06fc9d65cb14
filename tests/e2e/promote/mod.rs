//! `promote` and `rejoin` under load: nothing is lost, one pod writes at a time, and everybody
//! follows.

mod faults;
mod forced;
mod histories;
mod planned;
mod returned;
mod stuck;

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::support::{Cluster, Load, Plan, Seen, eventually, holds};

/// A cluster as the platform runs it, and an application that is linked to it.
fn cluster(major: u16, replicas: u16) -> Option<Cluster> {
    let cluster = Cluster::up(Plan {
        major,
        replicas,
        probes: true,
        ..Plan::default()
    })?;
    let (db, app) = (
        format!("{}/db", cluster.scope),
        format!("{}/app", cluster.scope),
    );
    let block = format!("job \"{}\" \"app\" {{\n image = \"i\"\n}}\n", cluster.scope);
    cluster.platform.apply_hcl(&block).expect("apply the job");
    let linked = cluster.platform.vd(["pg:link", &db, &app, "--reads"]);
    assert_eq!(linked.status, 0, "{linked:?}");
    Some(cluster)
}

/// The application's URLs name the primary and the standbys.
#[track_caller]
fn assert_linked_to(cluster: &Cluster, primary: u16) {
    let app = cluster.platform.bucket(&cluster.scope, "app");
    let host = |pod: u16| format!("db-{pod}.{}.voodu:5433", cluster.scope);
    assert!(
        app["DATABASE_URL"].contains(&format!("@{}/", host(primary))),
        "{app:?}"
    );
    let standbys: Vec<_> = (0..cluster.plan.replicas)
        .filter(|pod| *pod != primary)
        .map(host)
        .collect();
    assert!(
        app["DATABASE_READ_URL"].contains(&standbys.join(",")),
        "{app:?}"
    );
    let db = cluster.platform.bucket(&cluster.scope, "db");
    assert_eq!(db["PG_PRIMARY_ORDINAL"], primary.to_string());
}

/// One change of the primary, in seconds since 1970.
struct Turn {
    begun: f64,
    ended: f64,
    old: u16,
}

fn now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a clock")
        .as_secs_f64()
}

/// Promotes a pod and waits until everybody follows it.
#[track_caller]
fn turn(cluster: &Cluster, load: &Load<'_>, target: u16) -> Turn {
    let (begun, old) = (now(), cluster.primary());
    let printed = cluster.promote(target, &[]);
    assert!(printed.contains("nothing was lost"), "{printed}");
    assert_linked_to(cluster, target);
    cluster.wait_until_formed_around(target);
    load.await_writes(50);
    Turn {
        begun,
        ended: now(),
        old,
    }
}

/// No acknowledged write is missing anywhere.
#[track_caller]
fn assert_nothing_lost(cluster: &Cluster, seen: &Seen) {
    cluster.wait_until_caught_up(cluster.primary());
    eprintln!(
        "{} writes, longest gap {:?}",
        seen.count(),
        seen.longest_gap()
    );
    for pod in 0..cluster.plan.replicas {
        assert_eq!(
            seen.lost(cluster, pod),
            BTreeSet::new(),
            "lost on pod {pod}"
        );
    }
}

/// Promotes one pod after the other under load, and holds what everybody saw against it.
fn there_and_back(cluster: &Cluster, targets: &[u16]) {
    let pods = 0..cluster.plan.replicas;
    let started: Vec<_> = pods.clone().map(|pod| cluster.started_at(pod)).collect();
    let load = Load::start(cluster);
    let turns: Vec<_> = targets
        .iter()
        .map(|target| turn(cluster, &load, *target))
        .collect();
    let seen = load.stop();
    assert_nothing_lost(cluster, &seen);
    assert_eq!(seen.writers(), [&[0], targets].concat());
    assert!(
        seen.longest_gap() < Duration::from_secs(6),
        "{:?}",
        seen.longest_gap()
    );
    // Readers lose their sessions on a primary that stops, and nowhere else.
    for pod in pods.clone() {
        let stopped = |time: &f64| {
            turns
                .iter()
                .any(|turn| turn.old == pod && (turn.begun..turn.ended).contains(time))
        };
        let dropped = &seen.dropped[usize::from(pod)];
        assert!(
            dropped.iter().all(stopped),
            "readers of pod {pod}: {dropped:?}"
        );
    }
    // Nothing was started again, copied or rewound, and an apply has nothing to do.
    let after: Vec<_> = pods.clone().map(|pod| cluster.started_at(pod)).collect();
    assert_eq!(started, after);
    for pod in pods {
        let copies = cluster.log(pod).matches("cloning").count();
        assert_eq!(copies, usize::from(pod != 0), "pod {pod}");
    }
    let primary = cluster.primary();
    assert_eq!(cluster.apply().changes.rolled, Vec::<String>::new());
    assert_eq!(cluster.primary(), primary);
}

/// Kills the plugin at these times of a promotion, and runs it again.
fn killed_at(cluster: &Cluster, instants: impl IntoIterator<Item = u64>) {
    let load = Load::start(cluster);
    let mut turns = vec![0];
    for instant in instants {
        let target = 1 - turns[turns.len() - 1];
        std::thread::scope(|scope| {
            scope.spawn(|| cluster.pg("promote", &["--replica", &target.to_string()]));
            std::thread::sleep(Duration::from_millis(instant));
            cluster.platform.hang_up();
        });
        cluster.promote(target, &[]);
        assert_linked_to(cluster, target);
        cluster.wait_until_formed_around(target);
        load.await_writes(20);
        turns.push(target);
    }
    let seen = load.stop();
    assert_nothing_lost(cluster, &seen);
    assert_eq!(seen.writers(), turns);
}

/// Has a pod rejoin, giving up what only it has; the command may have to be run again.
#[track_caller]
fn rejoin(cluster: &Cluster, pod: u16) -> String {
    let pod = pod.to_string();
    eventually(120, "the rejoin", || {
        let output = cluster.pg("rejoin", &["--replica", &pod, "--yes"]);
        let words = ["is a standby of pod", "there is nothing to do"];
        let is_back = words.iter().any(|words| output.stdout.contains(words));
        holds(is_back, || format!("{output:?}"))?;
        Ok(output.stdout)
    })
}
