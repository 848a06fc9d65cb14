//! The seam to the voodu controller: what is stored there. Only questions: whatever a command
//! changes is an action in its reply, because `POST /config` restarts the whole cluster.

#[cfg(test)]
pub(crate) mod fake;
pub(crate) mod http;

use std::fmt;

use serde_json::{Map, Value};

use crate::model::excerpt::excerpt;
use crate::model::resource_ref::ResourceRef;

/// Questions to a controller.
pub(crate) trait Controller {
    /// The stored spec of a resource; `None` when there is no such resource.
    fn spec(&self, kind: Kind, target: &ResourceRef) -> Result<Option<Map<String, Value>>, Error>;

    /// The bucket of a resource; an empty one is no different from none.
    fn config(&self, target: &ResourceRef, layers: Layers) -> Result<Map<String, Value>, Error>;

    /// Every stored resource of a kind, in all scopes.
    fn resources(&self, kind: Kind) -> Result<Vec<ResourceRef>, Error>;
}

/// A kind of resource that a bucket belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Deployment,
    Statefulset,
    Job,
    Cronjob,
}

impl Kind {
    /// Every kind, the commonest first.
    pub(crate) const ALL: [Self; 4] = [
        Self::Deployment,
        Self::Statefulset,
        Self::Job,
        Self::Cronjob,
    ];
}

/// The kind as the controller writes it.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deployment => "deployment",
            Self::Statefulset => "statefulset",
            Self::Job => "job",
            Self::Cronjob => "cronjob",
        })
    }
}

/// Which buckets are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layers {
    /// The scope's, overlaid by the resource's own.
    Merged,
    /// The resource's own.
    Own,
}

/// Why a question has no answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Error {
    url: String,
    problem: Problem,
}

#[derive(Debug, PartialEq, Eq)]
enum Problem {
    NotAnAddress,
    Unreachable(String),
    TooSlow(u64),
    BrokeOff,
    Refused(u16, Option<String>),
    NotItsJson,
}

impl Error {
    /// Whether it gave no answer at all, so that the next question would get none either.
    pub(crate) fn is_silence(&self) -> bool {
        matches!(self.problem, Problem::Unreachable(_) | Problem::TooSlow(_))
    }

    /// The operator's next step.
    pub(crate) fn next(&self) -> &'static str {
        match self.problem {
            Problem::NotAnAddress => {
                "set VOODU_CONTROLLER_URL to one such as http://127.0.0.1:8686"
            }
            _ => "nothing was changed; look at the controller's log and run the command again",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = &self.url;
        match &self.problem {
            Problem::NotAnAddress => {
                write!(
                    f,
                    "{} is not the http address of a controller",
                    excerpt(url)
                )
            }
            Problem::Unreachable(reason) => {
                write!(f, "the controller at {url} cannot be reached: {reason}")
            }
            Problem::TooSlow(seconds) => {
                write!(
                    f,
                    "the controller at {url} did not answer within {seconds} s"
                )
            }
            Problem::BrokeOff => {
                write!(
                    f,
                    "the controller at {url} broke off in the middle of its answer"
                )
            }
            Problem::Refused(status, Some(error)) => {
                write!(
                    f,
                    "the controller at {url} answered {status}: {}",
                    excerpt(error)
                )
            }
            Problem::Refused(status, None) => {
                write!(f, "the controller at {url} answered {status}")
            }
            Problem::NotItsJson => {
                write!(
                    f,
                    "what answers at {url} is not a controller, or not a healthy one"
                )
            }
        }
    }
}

impl std::error::Error for Error {}
