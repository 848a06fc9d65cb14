use super::fixture::*;
use super::*;

/// After a promote the initial primary says nothing of who writes.
#[test]
fn without_a_record_nobody_is_said_to_be_the_primary() {
    case(
        |condition| {
            condition.record = RecordSeen::Missing;
            *server(condition, 0) = standby();
            *server(condition, 1) = primary();
        },
        &["s/db: there is no record"],
    );
}

#[test]
fn a_standby_with_another_history_is_not_well() {
    let lsn = |text: &str| text.parse().ok();
    let flushed = |flushed: &'static str, state: &'static str| {
        move |condition: &mut Condition<'_>| {
            let row = &mut server(condition, 0).standbys[1];
            row.sent = lsn("0/5000000");
            row.flushed = lsn(flushed);
            row.state = state.to_owned();
        }
    };
    case(flushed("0/5000000", "streaming"), &[]);
    case(
        flushed("0/5000001", "streaming"),
        &["s-db.2 holds WAL that the primary never sent"],
    );
    // While it catches up, a standby has more than it was sent over this connection.
    case(
        flushed("0/5000001", "catchup"),
        &["s-db.2 does not stream from the primary"],
    );
}
