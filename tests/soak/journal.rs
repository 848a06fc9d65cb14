//! What a run says, and the longer story beside it.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Mutex;
use std::time::Instant;

pub struct Journal {
    story: Mutex<File>,
    begun: Instant,
}

impl Journal {
    pub fn create(path: &Path) -> Result<Self, String> {
        let story = File::create(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self {
            story: Mutex::new(story),
            begun: Instant::now(),
        })
    }

    /// For the story only.
    pub fn note(&self, text: impl AsRef<str>) {
        let at = self.begun.elapsed().as_secs_f64();
        if let Ok(mut story) = self.story.lock() {
            // A full disk costs the story, not the run.
            let _ = writeln!(story, "{at:8.2}  {}", text.as_ref().trim_end());
        }
    }

    /// For whoever watches, too.
    pub fn say(&self, text: impl AsRef<str>) {
        self.note(&text);
        println!(
            "{:7.1}  {}",
            self.begun.elapsed().as_secs_f64(),
            text.as_ref()
        );
    }
}
