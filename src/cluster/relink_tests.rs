use super::*;
use crate::controller::Kind;
use crate::controller::fake::FakeController;
use crate::model::bucket::Vars;
use crate::model::connection::Connection;
use crate::model::identifier::PgIdentifier;
use crate::model::secret::Secret;
use crate::model::topology::Topology;
use serde_json::json;
use std::num::NonZeroU16;

const OLD: &str = "postgres://appuser:old@db-0.s.voodu:5433/appdata";

/// Relinks the applications that `config` lists, with pod 1 as the primary and the password `new`.
fn renew(controller: &FakeController, config: &Value) -> (Value, Relinked) {
    let cluster: ResourceRef = "s/db".parse().unwrap();
    let consumers = Consumers::read(&Vars {
        config: config.as_object().unwrap(),
        cluster: &cluster,
    });
    let wiring = Wiring {
        connection: Connection {
            user: &PgIdentifier::role("user", "appuser").unwrap(),
            password: &Secret::chosen("password", "new").unwrap(),
            database: &PgIdentifier::database("database", "appdata").unwrap(),
            port: NonZeroU16::new(5433).unwrap(),
        },
        topology: Topology::new(cluster.clone(), 3, "1".parse().unwrap()).unwrap(),
    };
    let relinked = relink(controller, &consumers.unwrap(), &wiring, Restart::Rolling);
    (serde_json::to_value(&relinked.actions).unwrap(), relinked)
}

fn app(controller: FakeController, name: &str, config: Value) -> FakeController {
    controller
        .with_spec(Kind::Deployment, name, json!({"image": "i"}))
        .with_config(name, config)
}

#[test]
fn each_application_gets_what_it_asked_for() {
    let mut controller = FakeController::default();
    for name in ["s/a", "s/b", "t/c"] {
        controller = app(controller, name, json!({"DATABASE_URL": OLD}));
    }
    let config = json!({
        "POSTGRES_LINKED_CONSUMERS": "s/a,s/b,t/c", "POSTGRES_LINKED_READERS": "s/b,t/c", "POSTGRES_LINKED_BALANCED": "t/c",
    });
    let (actions, relinked) = renew(&controller, &config);
    let write = "postgres://appuser:new@db-1.s.voodu:5433/appdata";
    let read = "postgres://appuser:new@db-0.s.voodu:5433,db-2.s.voodu:5433/appdata?target_session_attrs=any";
    assert_eq!(actions[0]["kv"], json!({"DATABASE_URL": write}));
    assert_eq!(
        actions[1]["kv"],
        json!({"DATABASE_URL": write, "DATABASE_READ_URL": read})
    );
    let balanced = format!("{read}&load_balance_hosts=random");
    assert_eq!(
        actions[2]["kv"],
        json!({"DATABASE_URL": write, "DATABASE_READ_URL": balanced})
    );
    assert_eq!(
        (&actions[2]["scope"], &actions[2]["skip_restart"]),
        (&json!("t"), &Value::Null)
    );
    assert_eq!(relinked.notes[0], "s/a: it restarts with the new variables");
    let fresh = app(
        FakeController::default(),
        "s/a",
        json!({"DATABASE_URL": write}),
    );
    let (actions, relinked) = renew(&fresh, &json!({"POSTGRES_LINKED_CONSUMERS": "s/a"}));
    assert_eq!((actions, relinked.notes.len()), (json!([]), 0));
}

#[test]
fn an_operators_own_url_stays() {
    let own = json!({"DATABASE_URL": "postgres://pooler/x"});
    let controller = app(FakeController::default(), "s/a", own);
    let (actions, relinked) = renew(&controller, &json!({"POSTGRES_LINKED_CONSUMERS": "s/a"}));
    assert_eq!(actions, json!([]));
    assert_eq!(
        relinked.notes,
        ["s/a keeps its DATABASE_URL, which link had not set"]
    );
}

#[test]
fn an_application_that_is_gone_finds_the_new_url_at_its_return() {
    let controller = FakeController::default().with_config("s/a", json!({"DATABASE_URL": OLD}));
    let (actions, relinked) = renew(
        &controller,
        &json!({"POSTGRES_LINKED_CONSUMERS": "s/a,s/b"}),
    );
    assert_eq!(actions.as_array().unwrap().len(), 1);
    assert_eq!(actions[0]["name"], "a");
    assert!(
        relinked.notes[0]
            .contains("has the new URLs for its return; to forget it: vd pg:unlink s/db s/a")
    );
    assert!(relinked.notes[1].contains("s/b does not exist at present, its config has no URL"));
    assert!(relinked.unread.is_empty());
}

#[test]
fn one_that_cannot_be_read_is_named_and_the_others_go_on() {
    let controller = app(FakeController::default(), "s/b", json!({})).broken("s/a");
    let config = json!({"POSTGRES_LINKED_CONSUMERS": "s/a,s/b", "POSTGRES_LINKED_READERS": "s/a"});
    let (actions, relinked) = renew(&controller, &config);
    assert_eq!(
        (actions.as_array().unwrap().len(), &actions[0]["name"]),
        (1, &json!("b"))
    );
    assert!(relinked.notes[0].starts_with("s/a keeps the URLs that it has: the controller at"));
    assert!(
        relinked.notes[0].ends_with("vd pg:link s/db s/a --reads"),
        "{:?}",
        relinked.notes
    );
    assert_eq!(relinked.unread, ["s/a".parse().unwrap()]);
}

#[test]
fn a_controller_that_is_down_is_asked_once() {
    let config = json!({"POSTGRES_LINKED_CONSUMERS": "s/a,s/b,s/c"});
    let (_, relinked) = renew(&FakeController::default().down(), &config);
    assert_eq!(relinked.unread.len(), 3);
    assert!(relinked.notes[0].contains("cannot be reached"));
    assert!(relinked.notes[2].contains("it was not asked any more"));
}
