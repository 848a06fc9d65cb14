//! `unlink`: takes back what `link` gave and nothing else.

use crate::support::world::{World, cluster};

const UNLINK: [&str; 3] = ["pg:unlink", "clowk-lp/db", "clowk-lp/web"];
const WRITE: &str = "DATABASE_URL";
const READ: &str = "DATABASE_READ_URL";

fn linked() -> World {
    let world = World::with_cluster(2);
    world.vd_ok(&["pg:link", "clowk-lp/db", "clowk-lp/web", "--reads"]);
    world
}

fn web(world: &World, key: &str) -> Option<String> {
    world.value("clowk-lp", "web", key)
}

#[test]
fn everything_that_link_set_is_gone() {
    let world = linked();
    world.seed("clowk-lp", "web", "RAILS_ENV", "production");
    let printed = world.vd_ok(&UNLINK);
    assert!(
        printed.contains("removed DATABASE_URL and DATABASE_READ_URL"),
        "{printed}"
    );
    assert_eq!((web(&world, WRITE), web(&world, READ)), (None, None));
    assert!(web(&world, "RAILS_ENV").is_some());
    assert_eq!(
        world.value("clowk-lp", "db", "POSTGRES_LINKED_CONSUMERS"),
        None
    );
    assert_eq!(
        world.value("clowk-lp", "db", "POSTGRES_LINKED_READERS"),
        None
    );
    assert_eq!(world.fanned_out(), ["deployment/clowk-lp/web"; 2]);
    assert_eq!(world.apply(&cluster(2, "")), Vec::<String>::new());
    let again = world.vd_ok(&UNLINK);
    assert!(
        again.contains("is not linked") && !again.contains('✓'),
        "{again}"
    );
    world.assert_only_asked();
}

#[test]
fn a_value_of_the_operator_s_own_stays() {
    let world = linked();
    let mine = "postgres://me@elsewhere/x";
    world.seed("clowk-lp", "web", WRITE, mine);
    let printed = world.vd_ok(&UNLINK);
    assert!(printed.contains("DATABASE_URL stays"), "{printed}");
    assert_eq!(
        (web(&world, WRITE).unwrap(), web(&world, READ)),
        (mine.to_owned(), None)
    );
}

#[test]
fn a_url_of_an_earlier_password_and_primary_is_still_link_s() {
    let world = linked();
    world.seed("clowk-lp", "db", "POSTGRES_PASSWORD", "hunter3");
    world.record("clowk-lp", "db", 1);
    world.vd_ok(&UNLINK);
    assert_eq!((web(&world, WRITE), web(&world, READ)), (None, None));
}

#[test]
fn an_application_that_is_gone_can_be_forgotten_and_the_others_stay() {
    let world = linked();
    world.apply("job \"other\" \"import\" {\n image = \"i\"\n}\n");
    world.vd_ok(&["pg:link", "clowk-lp/db", "other/import"]);
    world.platform.destroy("clowk-lp", "web", true).unwrap();
    world.vd_ok(&UNLINK);
    let left = world.value("clowk-lp", "db", "POSTGRES_LINKED_CONSUMERS");
    assert_eq!(left.unwrap(), "other/import");
}

#[test]
fn an_unknown_cluster_is_refused() {
    let world = linked();
    let reason = "clowk-lp/nope: there is no postgres cluster";
    world.refused(&["unlink", "clowk-lp/nope", "clowk-lp/web"], reason);
}
