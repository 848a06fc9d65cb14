use super::*;
use crate::model::backup_id::BackupId;
use crate::model::resource_ref::ResourceRef;
use proptest::prelude::*;
use serde_json::{Value, json};

fn flags(keep: Option<u32>, max_age: Option<&str>) -> Flags {
    Flags {
        keep,
        max_age: max_age.map(|age| age.parse().unwrap()),
    }
}

fn retention(flags: Flags, config: &Value) -> Result<String> {
    let cluster = ResourceRef::new("s", "db")?;
    let config = Vars {
        config: config.as_object().unwrap(),
        cluster: &cluster,
    };
    Retention::of(flags, &config).map(|retention| retention.to_string())
}

#[test]
fn each_axis_has_a_precedence_of_its_own() {
    let config = json!({"BACKUP_KEEP": "30", "BACKUP_MAX_AGE": "14d"});
    for (flags, expected) in [
        (flags(None, None), "keep 30, max age 14d"),
        (flags(Some(5), None), "keep 5, max age 14d"),
        (flags(Some(0), None), "max age 14d"),
        (flags(None, Some("2w")), "keep 30, max age 2w"),
        (flags(None, Some("0")), "keep 30"),
        (flags(Some(0), Some("0d")), ""),
    ] {
        assert_eq!(retention(flags, &config).unwrap(), expected, "{flags:?}");
    }
    let none = flags(None, None);
    assert_eq!(retention(none, &json!({})).unwrap(), "");
    assert_eq!(
        retention(none, &json!({"BACKUP_KEEP": "0", "BACKUP_MAX_AGE": ""})).unwrap(),
        ""
    );
}

#[test]
fn garbage_in_the_config_is_an_error_that_names_the_key() {
    for (key, value) in [
        ("BACKUP_KEEP", "many"),
        ("BACKUP_KEEP", "-1"),
        ("BACKUP_MAX_AGE", "7"),
        ("BACKUP_MAX_AGE", "7 d"),
        ("BACKUP_MAX_AGE", "d"),
        ("BACKUP_MAX_AGE", "1.5d"),
        ("BACKUP_MAX_AGE", "+1d"),
    ] {
        let refusal = retention(flags(None, None), &json!({key: value})).unwrap_err();
        assert!(refusal.to_string().starts_with(key), "{refusal}");
    }
}

fn files(days: &[u32]) -> Vec<BackupFile> {
    let file = |(number, day): (u32, &u32)| BackupFile {
        id: BackupId::new(number).unwrap(),
        taken_at: day_of_may(*day),
    };
    (1..).zip(days).map(file).collect()
}

fn day_of_may(day: u32) -> Timestamp {
    Timestamp::parse_compact(&format!("202605{day:02}T020000Z")).unwrap()
}

#[track_caller]
fn expires(keep: u32, max_age: &str, days: &[u32], expected: &[&str]) {
    let config = serde_json::Map::new();
    let cluster = ResourceRef::new("s", "db").unwrap();
    let config = Vars {
        config: &config,
        cluster: &cluster,
    };
    let retention = Retention::of(flags(Some(keep), Some(max_age)), &config).unwrap();
    let expired = retention.expired(&files(days), day_of_may(31));
    let ids: Vec<_> = expired.iter().map(|file| file.id.to_string()).collect();
    assert_eq!(ids, expected);
}

#[test]
fn what_fails_either_limit_expires() {
    expires(0, "0", &[1, 2, 3], &[]);
    expires(2, "0", &[1, 2, 3], &["b001"]);
    expires(0, "1d", &[1, 2, 3], &["b001"]);
    expires(1, "1d", &[1, 2, 3], &["b001", "b002"]);
    expires(5, "24h", &[1, 2], &[]);
    expires(5, "23h", &[1, 2], &["b001"]);
}

#[test]
fn age_is_measured_at_the_newest_success_which_stays() {
    // Thirty days later nothing more has expired.
    expires(3, "7d", &[1], &[]);
    expires(3, "7d", &[1, 2], &[]);
    expires(1, "1h", &[], &[]);
}

#[test]
fn a_clock_that_was_wrong_for_one_backup_expires_no_other() {
    let mut verified = files(&[29, 30, 31]);
    verified[2].taken_at = Timestamp::parse_compact("20360101T000000Z").unwrap();
    let retention = Retention {
        keep: None,
        max_age: Some("7d".parse().unwrap()),
    };
    assert_eq!(retention.expired(&verified, day_of_may(31)), []);
}

#[test]
fn what_was_captured_last_stays_whatever_the_clock_said() {
    // The clock was ahead when the second was captured, and is right again.
    expires(1, "0", &[1, 31, 2], &["b001"]);
    expires(0, "1d", &[31, 1], &[]);
}

proptest! {
    #[test]
    fn the_newest_never_expires(days in prop::collection::vec(1_u32..31, 1..20), keep in 0_u32..4, age in 0_u32..9) {
        let retention = Retention {
            keep: NonZeroU32::new(keep),
            max_age: (age > 0).then_some(MaxAge { count: age, unit: Unit::Days }),
        };
        let all = files(&days);
        let expired = retention.expired(&all, day_of_may(31));
        let newest = all.iter().max_by_key(|file| (file.taken_at, file.id)).unwrap();
        prop_assert!(!expired.contains(newest));
        prop_assert!(!expired.contains(all.last().unwrap()));
        if keep > 0 {
            prop_assert!(all.len() - expired.len() <= keep as usize + 1);
        }
    }
}
