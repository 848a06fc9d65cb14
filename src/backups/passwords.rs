//! The files in which a job finds a password: `.b008.<word>.password`.

use std::fmt::Display;
use std::str::FromStr;

const ENDING: &str = ".password";

/// The name of the one for that job. `word` must not be guessable.
pub(crate) fn name(job: impl Display, word: &str) -> String {
    format!(".{job}.{word}{ENDING}")
}

/// Whose it is, if it is that of such a job.
pub(crate) fn owner<Id: FromStr>(name: &str) -> Option<Id> {
    let stem = name.strip_prefix('.')?.strip_suffix(ENDING)?;
    stem.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::backup_id::BackupId;
    use crate::model::job_id::PhysicalId;

    #[test]
    fn each_job_has_its_own() {
        let id = BackupId::new(8).unwrap();
        let file = name(id, "0011");
        assert_eq!(file, ".b008.0011.password");
        assert_eq!(owner(&file), Some(id));
        assert_eq!(owner::<PhysicalId>(&file), None);
        assert_eq!(owner(".p001.00.password"), PhysicalId::new(1));
        for other in [
            "",
            ".password",
            "b008.00.password",
            ".restore-r001.00.password",
        ] {
            assert_eq!(owner::<BackupId>(other), None, "{other}");
        }
    }
}
