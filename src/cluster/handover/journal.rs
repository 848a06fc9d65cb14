//! What happened and when: shown as it happens to whoever runs the plugin by hand, and told at the
//! end to everybody.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

/// The plugin is killed at 30 s; it answers before.
const ANSWER_BY: Duration = Duration::from_millis(24_500);

/// The events of one run.
pub(crate) struct Journal<'a> {
    started: Instant,
    asked: Cell<Option<Duration>>,
    show: &'a dyn Fn(&str),
    lines: RefCell<Vec<String>>,
}

impl<'a> Journal<'a> {
    /// Starts the clock.
    pub(crate) fn start(show: &'a dyn Fn(&str)) -> Self {
        Self {
            started: Instant::now(),
            asked: Cell::default(),
            show,
            lines: RefCell::default(),
        }
    }

    /// Something happened.
    pub(crate) fn note(&self, event: impl AsRef<str>) {
        let line = format!("{}  {}", seconds(self.elapsed()), event.as_ref());
        (self.show)(&line);
        self.lines.borrow_mut().push(line);
    }

    /// From here on, nobody may be able to write.
    pub(crate) fn handover_begins(&self) {
        self.asked.set(Some(self.elapsed()));
    }

    /// How long ago that was.
    pub(crate) fn since_handover(&self) -> Option<Duration> {
        let asked = self.asked.get()?;
        Some(self.elapsed().saturating_sub(asked))
    }

    /// How long the run has taken.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// The time that is left until the plugin must answer.
    pub(crate) fn left(&self) -> Duration {
        ANSWER_BY.saturating_sub(self.elapsed())
    }

    /// The events so far, one line each.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.borrow().clone()
    }
}

/// `12.3 s`, right-aligned.
pub(crate) fn seconds(duration: Duration) -> String {
    format!("{:>5.2} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_shown_at_once_and_kept() {
        let shown = RefCell::new(Vec::new());
        let show = |line: &str| shown.borrow_mut().push(line.to_owned());
        let journal = Journal::start(&show);
        journal.note("pod 0 stopped");
        assert_eq!(*shown.borrow(), [" 0.00 s  pod 0 stopped"]);
        assert_eq!(journal.lines(), *shown.borrow());
        assert!(journal.left() > Duration::from_secs(20));
    }
}
