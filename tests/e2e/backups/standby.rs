//! A dump from a standby while the primary removes rows, and locks tables, behind its back.

use std::sync::atomic::{AtomicBool, Ordering};

use voodu_standin::Vars;

use super::{capture, fill, plan, vd};
use crate::support::Cluster;

#[test]
fn backups_of_a_standby_outlive_vacuum_and_locks_on_the_primary() {
    let Some(cluster) = Cluster::up(plan(17, 2)) else {
        return;
    };
    fill(&cluster, 600);
    cluster.sql(
        0,
        "CREATE MATERIALIZED VIEW sums AS SELECT sum(id) FROM big",
    );
    // Replay waits for nobody: whatever is in its way is cancelled at once.
    cluster.sql(1, "ALTER SYSTEM SET max_standby_streaming_delay = 0");
    cluster.sql(1, "SELECT pg_reload_conf()");
    cluster.wait_until_caught_up(0);

    let printed = under_load(&cluster, || capture(&cluster, &["--from-replica", "1"]));
    assert!(
        printed.contains("source: ordinal 1,") && !printed.contains("warning"),
        "{printed}"
    );

    // Without a way to the primary it is as exposed as any query, and says why it ended.
    let wrong = Vars::from([("POSTGRES_PASSWORD".to_owned(), "wrong".to_owned())]);
    cluster
        .platform
        .seed_bucket(&cluster.scope, "db", &wrong)
        .unwrap();
    let failed = under_load(&cluster, || {
        vd(
            &cluster,
            "backups:capture",
            &["--from-replica", "1", "--follow"],
        )
    });
    assert_eq!(failed.status, 1, "{failed:?}");
    for expected in [
        "warning: the primary was not made to keep what this dump reads",
        "conflict with recovery",
        "failed: replay on pod 1 had to go on over what the dump was reading",
    ] {
        assert!(failed.stdout.contains(expected), "{expected}: {failed:?}");
    }
    assert_eq!(
        super::list(&cluster),
        ["b001 complete verified", "b002 failed"]
    );
}

/// Ends the load, whatever becomes of the work.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Updates, vacuums and refreshes from the first row of the dump on, until the work is done. What was
/// dead before it could be removed in a page that the dump has just pinned.
fn under_load<T: Send>(cluster: &Cluster, work: impl FnOnce() -> T + Send) -> T {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let dumping =
                "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY public.big%'";
            while !done.load(Ordering::Relaxed) && cluster.sql(1, dumping) == "0" {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            let mut round = 0;
            while !done.load(Ordering::Relaxed) {
                round += 1;
                cluster.sql(
                    0,
                    &format!("UPDATE big SET a = a WHERE id % 40 = {}", round % 40),
                );
                cluster.sql(0, "VACUUM big");
            }
        });
        // It waits for the share lock that the dump has, like every other refresh would.
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                cluster.sql(0, "REFRESH MATERIALIZED VIEW sums");
            }
        });
        let _stop = Stop(&done);
        work()
    })
}
