//! Names that a weak role gives its objects: they come back, and nothing of them runs.

use crate::support::{Cluster, Plan, docker_ok};

/// What a line tool, psql, a shell or a terminal would take for something else.
const NASTY: [&str; 12] = [
    "x\n\\! touch /tmp/owned",
    "x\n\\y",
    "x\n\\.\n\\! touch /tmp/owned",
    "-- x\nDROP ROLE reader;",
    "a\"b'c",
    "$$; CREATE ROLE owned SUPERUSER; $$",
    "*/ CREATE ROLE owned SUPERUSER; /*",
    "back\\slash\\",
    "\u{1b}[2J\u{1b}]0;owned\u{7}",
    "tab\tand\rreturn",
    ":name :'name' :\"name\" %s %1$s `touch /tmp/owned`",
    "日本語日本語日本語日本語日本語日本語日本語",
];

/// Objects of each kind with that name, in a schema with that name.
fn objects(name: &str) -> String {
    let text = format!("'{}'", name.replace('\'', "''"));
    let name = format!("\"{}\"", name.replace('"', "\"\""));
    format!(
        "SET standard_conforming_strings = on; SET ROLE weak; CREATE SCHEMA {name}; SET search_path = {name};
         CREATE TYPE {name} AS ENUM ({text});
         CREATE DOMAIN {name}.\"d\" AS text CONSTRAINT {name} CHECK (VALUE <> {text});
         CREATE SEQUENCE \"s\";
         CREATE TABLE \"t\" ({name} {name} DEFAULT {text}, i int CONSTRAINT {name} UNIQUE);
         CREATE INDEX \"i\" ON \"t\" ({name});
         INSERT INTO \"t\" VALUES ({text}, 1);
         CREATE VIEW \"v\" AS SELECT {name} FROM \"t\";
         CREATE FUNCTION {name}.{name}({name} text) RETURNS text LANGUAGE sql AS 'SELECT $1';
         CREATE POLICY {name} ON \"t\" USING (true);
         COMMENT ON TABLE \"t\" IS {text};
         COMMENT ON COLUMN \"t\".{name} IS {text};
         RESET ROLE; RESET search_path;\n"
    )
}

/// A dump of a schema without the lines that say whose the objects are.
fn unowned(schema: &str) -> String {
    let lines = schema.split_inclusive('\n');
    let lines = lines.filter(|line| !line.contains("OWNER TO") && !line.starts_with("-- Name: "));
    lines.collect()
}

fn nothing_ran(cluster: &Cluster) {
    let owned =
        "SELECT count(*) FROM pg_roles WHERE rolname = 'owned' OR rolname = 'weak' AND rolsuper";
    assert_eq!(cluster.sql(0, owned), "0");
    assert_eq!(
        cluster.sql(0, "SELECT count(*) FROM pg_roles WHERE rolname = 'reader'"),
        "1"
    );
    docker_ok(&["exec", &cluster.pod(0), "test", "!", "-e", "/tmp/owned"]);
}

#[test]
fn names_are_names_on_17() {
    names(17);
}

#[test]
fn names_are_names_on_15() {
    names(15);
}

fn names(major: u16) {
    let Some(cluster) = Cluster::up(Plan {
        major,
        replicas: 1,
        ..Plan::default()
    }) else {
        return;
    };
    cluster.sql(0, "CREATE ROLE weak LOGIN");
    cluster.sql(0, "CREATE ROLE reader");
    cluster.sql(0, "GRANT CREATE ON DATABASE appdata TO weak");
    for name in NASTY {
        cluster.run_sql(0, &objects(name));
    }
    cluster.capture(&[]);
    let before = cluster.content(0);
    for name in NASTY {
        let schema = name.replace('"', "\"\"");
        cluster.run_sql(0, &format!("DROP SCHEMA \"{schema}\" CASCADE;\n"));
    }
    // Once into the empty database, once over what is there.
    for _ in 0..2 {
        let said = cluster.restore_ok(&["b001", "--follow"]);
        assert!(
            said.contains("tried: every statement of the dump works here"),
            "{said}"
        );
        let control = |c: char| c.is_control() && c != '\n';
        assert!(!said.contains(control), "{said:?}");
        let now = cluster.content(0);
        assert_eq!(now.rows, before.rows);
        assert!(
            unowned(&now.schema) == unowned(&before.schema),
            "{}",
            now.schema
        );
        nothing_ran(&cluster);
    }
    // What is in the way is named, and does nothing to a terminal either.
    cluster.run_sql(
        0,
        "CREATE VIEW \"w\n\u{1b}[2J\" AS SELECT i FROM \"x\n\\y\".\"t\";\n",
    );
    let said = cluster.restore_fails(
        &["b001", "--follow"],
        "objects that are not in the dump depend",
    );
    assert!(!said.contains('\u{1b}'), "{said:?}");
    nothing_ran(&cluster);
}
