//! A restore brings the roles' passwords of the moment at which the server stopped for it.

use crate::support::{Sandbox, TOOLS};

const NOW: &str = "user=SCRAM-SHA-256$4096:now+/=$a:b replication=SCRAM-SHA-256$4096:now$c:d";

/// The statements that set the passwords in the restored data, in the maintenance of that epoch.
fn statements(sandbox: &Sandbox, epoch: u32) -> String {
    sandbox.output(&format!(
        "local_sql() {{ cat >/dev/null; printf '%s\\n' '{NOW}'; }}\nV_EPOCH=5; keep_verifiers\n\
         local_sql() {{ cat >\"$SANDBOX/sql\"; }}\nV_EPOCH={epoch} Q_USER='SCRAM-SHA-256$4096:then$a:b' Q_REPLICATION=\n\
         POSTGRES_PASSWORD=first ENV_REPLICATION_PASSWORD=second; set_passwords\n"
    ));
    sandbox.read("sql")
}

#[test]
fn the_passwords_of_the_stop_win_over_those_of_the_request() {
    for tools in TOOLS {
        let sandbox = Sandbox::new(tools);
        let sql = statements(&sandbox, 5);
        assert!(
            sql.contains("PASSWORD 'SCRAM-SHA-256$4096:now+/=$a:b';"),
            "{sql}"
        );
        assert!(
            sql.contains("PASSWORD 'SCRAM-SHA-256$4096:now$c:d';"),
            "{sql}"
        );
        // Those of another maintenance say nothing about this one.
        let sql = statements(&sandbox, 6);
        assert!(
            sql.contains("PASSWORD 'SCRAM-SHA-256$4096:then$a:b';")
                && sql.contains("PASSWORD 'second';"),
            "{sql}"
        );
    }
}

#[test]
fn a_server_that_does_not_answer_leaves_those_of_the_request() {
    let sandbox = Sandbox::new(TOOLS[0]);
    sandbox.output("local_sql() { return 1; }\nV_EPOCH=5; keep_verifiers\n");
    assert!(!sandbox.path("volume/.voodu-verifiers").exists());
}
