//! The last backup that is known to restore.

use std::time::Duration;

use crate::backups::catalog::{Backup, Catalog};
use crate::cluster::health::Problem;
use crate::model::age::Age;
use crate::model::resource_ref::ResourceRef;
use crate::model::retention::MaxAge;
use crate::model::timestamp::Timestamp;

/// A backup every night, and some time to make it.
const USUAL: Duration = Duration::from_secs(26 * 60 * 60);

/// How old a backup is.
pub(super) fn age(backup: &Backup, now: Timestamp) -> Age {
    Age(backup
        .created_at
        .map_or(Duration::ZERO, |time| now.since(time)))
}

/// What is wrong with the backups. A cluster without any may be backed up in another way, so that
/// counts only when somebody set a limit.
pub(super) fn problem(
    cluster: &ResourceRef,
    catalog: &anyhow::Result<Catalog>,
    limit: Option<MaxAge>,
    now: Timestamp,
) -> Option<Problem> {
    let list = format!("vd pg:backups {cluster} lists them");
    let catalog = match catalog {
        Ok(catalog) => catalog,
        Err(error) => {
            return Some(Problem::new(
                format!("the backups cannot be listed: {error:#}"),
                list,
            ));
        }
    };
    let duration = limit.map_or(USUAL, MaxAge::duration);
    if duration.is_zero() {
        return None;
    }
    let Some(newest) = catalog.newest_verified() else {
        return limit.map(|_| {
            Problem::new(
                "there is no verified backup",
                format!("make one with vd pg:backups:capture {cluster}"),
            )
        });
    };
    let age = age(newest, now);
    (age.0 > duration).then(|| {
        let (id, most) = (newest.id, Age(duration));
        Problem::new(
            format!("the last verified backup, {id}, is {age} old, more than {most}"),
            list,
        )
    })
}
