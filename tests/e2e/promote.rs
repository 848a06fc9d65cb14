//! `promote` under load: nothing is lost, one pod writes at a time, and everybody follows.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::support::{Cluster, Load, Plan, docker_ok, eventually, holds};

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

/// Promotes one pod after the other under load, and holds what everybody saw against it.
fn there_and_back(cluster: &Cluster, targets: &[u16]) {
    let pods = 0..cluster.plan.replicas;
    let started: Vec<_> = pods.clone().map(|pod| cluster.started_at(pod)).collect();
    let load = Load::start(cluster);
    for target in targets {
        let printed = cluster.promote(*target, &[]);
        assert!(printed.contains("nothing was lost"), "{printed}");
        assert_linked_to(cluster, *target);
        cluster.wait_until_formed_around(*target);
        load.await_writes(50);
    }
    let seen = load.stop();
    let last = cluster.primary();
    eprintln!(
        "{} writes, longest gap {:?}",
        seen.count(),
        seen.longest_gap()
    );
    for pod in pods.clone() {
        cluster.wait_until_caught_up(last);
        assert_eq!(
            seen.lost(cluster, pod),
            BTreeSet::new(),
            "lost on pod {pod}"
        );
    }
    assert_eq!(seen.writers(), [&[0], targets].concat());
    assert!(
        seen.longest_gap() < Duration::from_secs(6),
        "{:?}",
        seen.longest_gap()
    );
    for pod in pods
        .clone()
        .filter(|pod| *pod != 0 && !targets.contains(pod))
    {
        assert_eq!(
            seen.dropped[usize::from(pod)],
            [0.0; 0],
            "readers of pod {pod}"
        );
    }
    // Nothing was started again, copied or rewound, and an apply has nothing to do.
    let after: Vec<_> = pods.clone().map(|pod| cluster.started_at(pod)).collect();
    assert_eq!(started, after);
    for pod in pods {
        let copies = cluster.log(pod).matches("cloning").count();
        assert_eq!(copies, usize::from(pod != 0), "pod {pod}");
    }
    assert_eq!(cluster.apply().changes.rolled, Vec::<String>::new());
    assert_eq!(cluster.primary(), last);
}

#[test]
fn planned_promotes_lose_nothing_on_17_and_refusals_change_nothing() {
    let Some(cluster) = cluster(17, 3) else {
        return;
    };
    there_and_back(&cluster, &[1, 0, 1, 0]);
    refusals(&cluster);
}

#[test]
fn planned_promotes_lose_nothing_on_15() {
    let Some(cluster) = cluster(15, 2) else {
        return;
    };
    there_and_back(&cluster, &[1, 0]);
}

fn refusals(cluster: &Cluster) {
    let promote = |pod| ["--replica", pod];
    let why = cluster.refused("promote", &promote("3"));
    assert!(why.contains("there is no pod 3"), "{why}");

    cluster.sql(1, "SELECT pg_wal_replay_pause()");
    let why = cluster.refused("promote", &promote("1"));
    assert!(why.contains("does not replay"), "{why}");
    cluster.sql(1, "SELECT pg_wal_replay_resume()");

    // The primary shows the connection for some seconds more, and it is dead at once.
    cluster.cut_off(1);
    let why = cluster.refused("promote", &promote("1"));
    assert!(
        why.contains("does not arrive at pod 1") || why.contains("is not connected"),
        "{why}"
    );
    // The others can go on without it.
    let printed = cluster.promote(2, &[]);
    assert!(
        printed.contains("nothing was lost") && printed.contains("pod 1 does not stream yet"),
        "{printed}"
    );
    let why = cluster.refused("promote", &promote("1"));
    assert!(why.contains("is not connected"), "{why}");
    cluster.reconnect(1);
    cluster.wait_until_formed_around(2);

    docker_ok(&["pause", &cluster.pod(2)]);
    let output = cluster.pg("promote", &promote("0"));
    assert!(
        output.stderr.contains("is paused") && output.status == 1,
        "{output:?}"
    );
    docker_ok(&["unpause", &cluster.pod(2)]);
    cluster.wait_until_formed_around(2);
    // Done before: the mirror and the URLs are seen to, and nothing else.
    let before = cluster.record();
    let printed = cluster.promote(2, &[]);
    assert!(printed.contains("already the primary"), "{printed}");
    assert_eq!(cluster.record(), before);
}

#[test]
fn a_killed_plugin_leaves_what_the_next_one_finishes() {
    let Some(cluster) = cluster(17, 2) else {
        return;
    };
    let instants = [150, 400, 600, 800, 1_100, 1_600];
    killed_at(&cluster, instants);
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
    cluster.wait_until_caught_up(cluster.primary());
    eprintln!(
        "{} writes, longest gap {:?}",
        seen.count(),
        seen.longest_gap()
    );
    for pod in [0, 1] {
        assert_eq!(seen.lost(cluster, pod), BTreeSet::new());
    }
    assert_eq!(seen.writers(), turns);
}

/// The number that a message gives for transactions that only the old primary has.
fn reported(printed: &str) -> usize {
    let rest = printed.split("unless you save them: ").nth(1);
    let number = rest.and_then(|rest| rest.split(' ').next());
    number.map_or(0, |number| number.parse().expect("a number"))
}

#[test]
fn a_forced_promotion_says_what_is_lost_and_the_old_primary_rejoins_on_17() {
    let Some(cluster) = cluster(17, 3) else {
        return;
    };
    forced(&cluster);
}

#[test]
fn a_forced_promotion_says_what_is_lost_and_the_old_primary_rejoins_on_15() {
    let Some(cluster) = cluster(15, 2) else {
        return;
    };
    forced(&cluster);
}

fn forced(cluster: &Cluster) {
    let load = Load::start(cluster);
    // What is written now reaches nobody.
    let standbys = 1..cluster.plan.replicas;
    standbys.clone().for_each(|pod| cluster.unplug(pod));
    load.await_writes(50);
    cluster.kill_for_good(0);
    standbys.for_each(|pod| cluster.plug_in(pod));
    let output = cluster.pg("promote", &["--replica", "1"]);
    assert!(
        output.status == 1 && output.stderr.contains("--force"),
        "{output:?}"
    );
    // Pod 2 was cut off a moment later.
    let three = cluster.plan.replicas == 3;
    if three {
        let why = cluster.pg("promote", &["--replica", "1", "--force"]).stderr;
        assert!(
            why.contains("db.2 has ") && why.contains("--allow-lag"),
            "{why}"
        );
    }
    let printed = cluster.promote(1, &["--force", "--allow-lag"]);
    load.await_writes(50);
    assert_linked_to(cluster, 1);
    // It comes back while nobody looks.
    docker_ok(&["start", &cluster.pod(0)]);
    cluster.wait_for_log(0, &["split-brain guard"]);
    load.await_writes(20);
    let seen = load.stop();
    assert_eq!(seen.writers(), [0, 1]);
    let lost = seen.lost(cluster, 1);
    eprintln!(
        "{} of {} writes lost, {} reported",
        lost.len(),
        seen.count(),
        reported(&printed)
    );
    // The probe's transactions count too, and one that nobody was told of.
    assert!(
        lost.len() >= 50 && reported(&printed) >= lost.len(),
        "{}: {printed}",
        lost.len()
    );

    let why = cluster.refused("rejoin", &["--replica", "0"]);
    assert!(
        why.contains("transactions in ") && why.contains("--yes"),
        "{why}"
    );
    let in_neither = seen.lost_in_copy(cluster, 0);
    assert!(lost.is_disjoint(&in_neither), "the old primary kept them");
    let rejoined = cluster.pg("rejoin", &["--replica", "0", "--yes"]);
    assert!(
        rejoined.stdout.contains("is a standby of pod 1 again"),
        "{rejoined:?}"
    );
    if three {
        assert!(
            printed.contains("db.2 has more than pod 1, and can follow it once"),
            "{printed}"
        );
        // It does not come up again by itself either.
        docker_ok(&["restart", &cluster.pod(2)]);
        cluster.wait_for_log(2, &["WAL that pod 1 never got"]);
        let asked = cluster.pg("rejoin", &["--replica", "2", "--yes"]);
        assert_eq!(asked.status, 0, "{asked:?}");
        cluster.wait_for_log(2, &["voodu: rewound this pod's data"]);
    }
    cluster.wait_until_formed_around(1);
    cluster.wait_until_caught_up(1);
    assert!(cluster.log(0).contains("voodu: rewound this pod's data"));
    let sum = "SELECT count(*), sum(n) FROM load";
    for pod in 0..cluster.plan.replicas {
        assert_eq!(cluster.sql(pod, sum), cluster.sql(1, sum));
    }
    eventually(15, "the end of the request", || {
        holds(!cluster.record().contains("rejoin"), || cluster.record())
    });
    let again = cluster.pg("rejoin", &["--replica", "0"]);
    assert!(again.stdout.contains("there is nothing to do"), "{again:?}");
}
