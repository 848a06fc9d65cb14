//! When which pod was a primary.

use std::collections::BTreeMap;

/// From when to when a server was seen as a primary. It stays one for as long as it lives, so it was
/// one in between as well.
#[derive(Clone, Copy, Debug)]
struct Reign {
    first: f64,
    last: f64,
}

/// By pod and the start of its postmaster.
#[derive(Default)]
pub struct Reigns(BTreeMap<(u16, String), Reign>);

impl Reigns {
    /// A pod, whose server was started then, is a primary at that time.
    pub fn primary(&mut self, pod: u16, started: &str, at: f64) {
        let seen = Reign {
            first: at,
            last: at,
        };
        let reign = self.0.entry((pod, started.to_owned())).or_insert(seen);
        reign.last = reign.last.max(at);
    }

    /// Two pods that were primaries at one moment.
    pub fn two_at_once(&self) -> Option<String> {
        let reigns: Vec<_> = self
            .0
            .iter()
            .map(|((pod, _), reign)| (*pod, *reign))
            .collect();
        let pairs = reigns
            .iter()
            .enumerate()
            .flat_map(|(at, one)| reigns[at + 1..].iter().map(move |other| (one, other)));
        let mut at_once = pairs.filter(|((one, a), (other, b))| {
            one != other && a.first <= b.last && b.first <= a.last
        });
        at_once.next().map(|((one, a), (other, b))| {
            format!("pod {one} and pod {other} were primaries at one moment: {a:?}, {b:?}")
        })
    }

    pub fn count(&self) -> usize {
        self.0.len()
    }
}
