//! `backups` and the commands behind its colon: what is listed, refused and asked of docker.

mod capture;
mod list;
mod reading;
mod removal;
mod restore;

use std::fs;

use crate::support::world::World;

const OLD: &str = "b001-20260504T020000Z.dump";
const NEW: &str = "b002-20260505T143000Z.dump";

/// Puts a file of that many bytes into the backups directory of `clowk-lp/db`.
fn put(world: &World, name: &str, size: usize) {
    fs::write(world.backups("clowk-lp", "db").join(name), "x".repeat(size)).unwrap();
}

/// Puts a backup that was verified there.
fn put_verified(world: &World, name: &str, size: usize) {
    put(world, name, size);
    put(world, &format!("{name}.sha256"), 1);
}

/// The visible files in the backups directory of `clowk-lp/db`, sorted.
fn files(world: &World) -> Vec<String> {
    let entries = fs::read_dir(world.backups("clowk-lp", "db")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| !name.starts_with('.')).collect();
    names.sort();
    names
}

/// A container of `clowk-lp/db` as docker lists it.
fn job(id: &str, state: &str) -> String {
    let status = match state.parse::<u8>() {
        Ok(code) => format!("exited\tExited ({code}) 2 hours ago"),
        Err(_) => format!("{state}\tUp 3 seconds"),
    };
    format!("clowk-lp-db-backup-{id}\t{status}\tclowk-lp\tdb\t2026-05-05T14:30:00Z\n")
}
