//! Compares text with a file of the repository; `BLESS=1` writes the file instead.

use std::path::{Path, PathBuf};
use std::{env, fs};

/// A file below `tests/golden`.
pub(crate) fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

/// The folders of a folder below `tests/golden`, sorted.
pub(crate) fn cases(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(path(folder)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    assert!(!names.is_empty(), "no case in tests/golden/{folder}");
    names
}

/// Fails when the file does not hold exactly that text.
#[track_caller]
pub(crate) fn assert_golden(name: &str, text: &str) {
    let path = path(name);
    if env::var_os("BLESS").is_some() {
        fs::write(path, text).unwrap();
        return;
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    let first = golden
        .lines()
        .zip(text.lines())
        .position(|(golden, text)| golden != text);
    let line = first.unwrap_or_else(|| golden.lines().count().min(text.lines().count()));
    assert!(
        golden == text,
        "tests/golden/{name} differs from line {}:\n- {}\n+ {}\nrun BLESS=1 cargo test if that is meant",
        line + 1,
        golden.lines().nth(line).unwrap_or("(end)"),
        text.lines().nth(line).unwrap_or("(end)"),
    );
}
