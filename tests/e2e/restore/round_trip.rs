//! Everything that a database can hold comes back, row by row and word by word.

use super::SAMPLE;
use crate::support::{Cluster, Plan};

const DESTROY: &str = "
DROP PUBLICATION news;
DROP SCHEMA app CASCADE;
DROP TABLE orders, empty CASCADE;
DROP SERVER elsewhere CASCADE;
DROP SEQUENCE tickets;
SELECT lo_unlink(oid) FROM pg_largeobject_metadata;
";

const CHANGE: &str = "
UPDATE orders SET amount = 0;
DELETE FROM app.totals WHERE false;
ALTER TABLE app.customers DROP COLUMN age;
DROP INDEX monthly_month_idx;
INSERT INTO empty VALUES (1);
CREATE TABLE orders_late PARTITION OF orders FOR VALUES FROM ('2030-01-01') TO ('2031-01-01');
SELECT nextval('tickets');
";

fn plan(major: u16, replicas: u16) -> Plan {
    Plan {
        major,
        replicas,
        ..Plan::default()
    }
}

#[test]
fn restore_brings_everything_back_on_17() {
    let Some(cluster) = Cluster::up(plan(17, 2)) else {
        return;
    };
    cluster.run_sql(0, SAMPLE);
    let before = cluster.content(0);
    let file = cluster.capture(&[]);

    cluster.run_sql(0, DESTROY);
    let said = cluster.restore_ok(&["b001"]);
    assert!(
        said.contains(&format!("{file} restored into database appdata")),
        "{said}"
    );
    assert_eq!(cluster.content(0), before);
    let analyzed = "SELECT count(*) > 5 FROM pg_stats WHERE schemaname = 'app'";
    assert_eq!(cluster.sql(0, analyzed), "t");
    cluster.wait_until_caught_up(0);
    assert_eq!(cluster.content(1).rows, before.rows);

    // Over tables that live, and that have changed since.
    cluster.run_sql(
        0,
        &CHANGE.replace("DELETE FROM app.totals WHERE false;\n", ""),
    );
    assert_ne!(cluster.content(0), before);
    cluster.restore_ok(&["b001", "--follow"]);
    assert_eq!(cluster.content(0), before);

    // After a switchover the new primary is restored.
    cluster.wait_until_caught_up(0);
    let promoted = cluster
        .platform
        .vd(["pg:promote", &cluster.reference(), "--replica", "1"]);
    assert_eq!(promoted.status, 0, "{promoted:?}");
    cluster.wait_until_formed_around(1);
    cluster.run_sql(1, DESTROY);
    let said = cluster.restore_ok(&["b001", "--follow"]);
    assert!(said.contains("database appdata of pod 1"), "{said}");
    assert_eq!(cluster.content(1), before);
    cluster.wait_until_caught_up(1);
}

#[test]
fn restore_takes_a_dump_of_15_into_15_and_17() {
    let (Some(old), Some(new)) = (Cluster::up(plan(15, 1)), Cluster::up(plan(17, 1))) else {
        return;
    };
    old.run_sql(0, SAMPLE);
    let before = old.content(0);
    let file = old.capture(&[]);
    old.run_sql(0, DESTROY);
    old.restore_ok(&["b001"]);
    assert_eq!(old.content(0), before);

    new.run_sql(0, "CREATE ROLE reader");
    let path = old.backups().join(&file);
    let said = new.restore_ok(&[&path.display().to_string()]);
    assert!(said.contains("restored into database appdata"), "{said}");
    assert_eq!(new.content(0).rows, before.rows);
    let file = new.capture(&[]);
    let path = new.backups().join(file).display().to_string();
    old.restore_fails(&[&path], "was made by a newer pg_dump");
    assert_eq!(old.content(0), before);
}
