//! What a holder leaves behind for the next one: until when the controller may be storing its
//! actions, and how the last of them is recognised once it is stored.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::cluster::lease::GRACE;
use crate::controller::{Controller, Kind, Layers};
use crate::model::resource_ref::ResourceRef;
use crate::wire::action::{Action, Trace};

/// What a holder leaves behind.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// By the clock that counts from the boot of the host, which nobody sets.
    pub(super) until: Duration,
    last: Last,
}

/// The last action. The controller carries them out in order and stops at the first that fails.
#[derive(Debug, PartialEq, Eq)]
struct Last {
    target: ResourceRef,
    /// None for the target's manifest.
    key: Option<String>,
    digest: String,
}

/// How long the host has been up, suspended or not.
pub(super) fn uptime() -> Duration {
    let now = clock_gettime(ClockId::Boottime);
    Duration::try_from(now).unwrap_or_default()
}

impl Mark {
    /// The mark of a reply; none when the controller has nothing to store.
    pub(super) fn of(actions: &[Action], grace: Duration) -> Option<Self> {
        let last = actions.iter().rev().find_map(Action::trace)?;
        let (scope, name, key, stored) = match last {
            Trace::Value {
                scope,
                name,
                key,
                value,
            } => (scope, name, Some(key.to_owned()), value.to_owned()),
            Trace::Manifest { scope, name, spec } => (scope, name, None, spec.to_string()),
        };
        Some(Self {
            until: uptime() + grace,
            last: Last {
                target: ResourceRef::new(scope, name).ok()?,
                key,
                digest: digest(&stored),
            },
        })
    }

    /// How long the controller may take yet. A time that lies further ahead comes from before a
    /// reboot, or from another hand.
    pub(super) fn left(&self) -> Option<Duration> {
        let left = self.until.checked_sub(uptime())?;
        Some(left).filter(|left| !left.is_zero() && *left <= GRACE)
    }

    /// Whether the controller has stored the last action.
    pub(super) fn is_stored(&self, controller: &dyn Controller) -> bool {
        let Last {
            target,
            key,
            digest: expected,
        } = &self.last;
        let stored = if let Some(key) = key {
            let own = controller.config(target, Layers::Own).ok();
            own.map(|own| {
                let value = own.get(key).and_then(Value::as_str);
                value.unwrap_or_default().to_owned()
            })
        } else {
            let spec = controller.spec(Kind::Statefulset, target).ok().flatten();
            spec.map(|spec| Value::Object(spec).to_string())
        };
        stored.is_some_and(|stored| digest(&stored) == *expected)
    }
}

/// Enough to tell two values apart, and nothing to find a password with.
fn digest(text: &str) -> String {
    hex::encode(&Sha256::digest(text)[..4])
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Last {
            target,
            key,
            digest,
        } = &self.last;
        let key = key.as_deref().unwrap_or("-");
        writeln!(f, "until={}", self.until.as_millis())?;
        writeln!(f, "last={target} {key} {digest}")
    }
}

impl FromStr for Mark {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let field = |name: &str| {
            let mut values = text.lines().filter_map(|line| line.strip_prefix(name));
            values.next().ok_or(())
        };
        let until = field("until=")?.parse().map_err(drop)?;
        let mut words = field("last=")?.split(' ');
        let mut word = || words.next().ok_or(());
        let (target, key, digest) = (word()?, word()?, word()?);
        Ok(Self {
            until: Duration::from_millis(until),
            last: Last {
                target: target.parse().map_err(drop)?,
                key: Some(key.to_owned()).filter(|key| key != "-"),
                digest: digest.to_owned(),
            },
        })
    }
}
