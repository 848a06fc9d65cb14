//! The next backup's id. A mark in the directory keeps the highest one that was ever given, so that
//! no id is shared and none is used again, not even after the newest backup was deleted.

use anyhow::Context as _;

use crate::backups::directory::{Directory, Lock};
use crate::model::backup_id::BackupId;
use crate::model::refusal::Refusal;

/// Where the last id stands.
const MARK: &str = ".last-id";

/// Whether a file is a mark that was never put in place.
pub(crate) fn is_temporary(name: &str) -> bool {
    let word = name
        .strip_prefix(MARK)
        .and_then(|rest| rest.strip_prefix('.'));
    word.is_some_and(|word| word.len() == 16)
}

/// Takes the id after all that were given, before anything is done with it: who is killed now loses
/// an id and nothing else. `word` must not be guessable.
pub(crate) fn take(
    directory: &Directory,
    _lock: &Lock,
    in_use: Option<BackupId>,
    word: &str,
) -> anyhow::Result<BackupId> {
    let path = directory.path().join(MARK);
    // A mark that somebody spoiled says nothing; the files and containers still do.
    let mark = directory.read_text(MARK);
    let mark = mark.and_then(|text| text.trim_end().parse().ok());
    let id = BackupId::after(in_use.max(mark)).ok_or_else(|| {
        Refusal::new(
            format!(
                "there is no id after {}",
                in_use.max(mark).map_or(String::new(), |id| id.to_string())
            ),
            format!(
                "look at {} and at the files beside it: one of them has that number",
                path.display()
            ),
        )
    })?;
    directory
        .replace(MARK, &format!("{MARK}.{word}"), &format!("{id}\n"))
        .with_context(|| format!("write {}", path.display()))?;
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn taken(directory: &Directory, in_use: u32) -> anyhow::Result<String> {
        let lock = directory.lock().unwrap();
        take(directory, &lock, BackupId::new(in_use), "word").map(|id| id.to_string())
    }

    #[test]
    fn an_id_is_given_once() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = Directory::open(temporary.path()).unwrap().unwrap();
        assert_eq!(taken(&directory, 0).unwrap(), "b001");
        assert_eq!(taken(&directory, 7).unwrap(), "b008");
        // The newest was deleted, its id stays taken.
        assert_eq!(taken(&directory, 3).unwrap(), "b009");
        let names: Vec<_> = fs::read_dir(temporary.path()).unwrap().collect();
        assert_eq!(names.len(), 2, "{names:?}");
    }

    #[test]
    fn a_spoiled_mark_is_replaced() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = Directory::open(temporary.path()).unwrap().unwrap();
        let mark = temporary.path().join(MARK);
        fs::write(&mark, "rubbish").unwrap();
        assert_eq!(taken(&directory, 4).unwrap(), "b005");
        fs::remove_file(&mark).unwrap();
        fs::write(temporary.path().join("outside"), "b900\n").unwrap();
        symlink("outside", &mark).unwrap();
        assert_eq!(taken(&directory, 5).unwrap(), "b006");
        let outside = fs::read_to_string(temporary.path().join("outside"));
        assert_eq!(outside.unwrap(), "b900\n");
    }

    #[test]
    fn the_last_id_is_the_end() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = Directory::open(temporary.path()).unwrap().unwrap();
        let error = taken(&directory, u32::MAX).unwrap_err();
        assert_eq!(error.to_string(), "there is no id after b4294967295");
    }
}
