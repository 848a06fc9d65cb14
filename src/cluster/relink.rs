//! Fresh URLs for every linked application, after the password or the primary changed. They can be
//! computed before anything is changed, so that what cannot be done is known by then.

use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use crate::cluster::application::Application;
use crate::cluster::wiring::{Origin, Wiring};
use crate::controller::{Controller, Error, Layers};
use crate::model::connection::{READ_URL, WRITE_URL};
use crate::model::consumers::{Consumers, Reads};
use crate::model::resource_ref::ResourceRef;
use crate::wire::action::{Action, Restart};

/// A caller has other things to do, in the time that the CLI gives it.
const PATIENCE: Duration = Duration::from_secs(4);

/// What has to be done, and what the operator has to know of it.
#[derive(Debug, Default)]
pub(crate) struct Relinked {
    pub(crate) actions: Vec<Action>,
    /// One sentence for each application that something is to be said of.
    pub(crate) notes: Vec<String>,
    /// Those that the controller did not tell about: they keep what they have.
    pub(crate) unread: Vec<ResourceRef>,
}

/// An application as it is.
struct Current {
    application: Option<Application>,
    own: Map<String, Value>,
}

/// Gives every application the URLs that it asked for, as they are with that wiring.
pub(crate) fn relink(
    controller: &dyn Controller,
    consumers: &Consumers,
    wiring: &Wiring<'_>,
    restart: Restart,
) -> Relinked {
    let mut relinked = Relinked::default();
    let (began, mut silent) = (Instant::now(), false);
    for (consumer, reads) in consumers.iter() {
        // Each question to a controller that is down would cost its whole time limit.
        let current =
            (!silent && began.elapsed() < PATIENCE).then(|| Current::ask(controller, consumer));
        match current {
            Some(Ok(current)) => {
                let (changes, note) = current.refresh(consumer, wiring, reads, restart);
                if !changes.is_empty() {
                    relinked
                        .actions
                        .push(Action::set(consumer, changes, restart));
                }
                relinked.notes.extend(note);
            }
            unread => {
                let problem = match unread {
                    Some(Err(error)) => {
                        silent = error.is_silence();
                        error.to_string()
                    }
                    _ => "it was not asked any more".to_owned(),
                };
                relinked.notes.push(format!(
                    "{consumer} keeps the URLs that it has: {problem}; afterwards run {}",
                    link(wiring, consumer, reads)
                ));
                relinked.unread.push(consumer.clone());
            }
        }
    }
    relinked
}

/// Who lacks the URLs of today: a promotion or a rotation did not come to its end there.
#[derive(Debug, Default)]
pub(crate) struct Outdated {
    /// Each with what gives it its own.
    pub(crate) found: Vec<(ResourceRef, String)>,
    /// Those of whom it is not known.
    pub(crate) unread: Vec<ResourceRef>,
    /// What the controller said of the first of them.
    pub(crate) why: Option<Error>,
}

/// The applications that do not have the URLs that they asked for.
pub(crate) fn outdated(
    controller: &dyn Controller,
    consumers: &Consumers,
    wiring: &Wiring<'_>,
) -> Outdated {
    let mut outdated = Outdated::default();
    for (consumer, reads) in consumers.iter() {
        // Each question to a controller that is down would cost its whole time limit.
        if outdated.why.as_ref().is_some_and(Error::is_silence) {
            outdated.unread.push(consumer.clone());
            continue;
        }
        match Current::ask(controller, consumer) {
            Ok(current) if current.lacks(wiring, reads) => {
                let link = link(wiring, consumer, reads);
                outdated.found.push((consumer.clone(), link));
            }
            Ok(_) => {}
            Err(error) => {
                outdated.unread.push(consumer.clone());
                // Silence ends the questions, whatever was said before.
                if outdated.why.is_none() || error.is_silence() {
                    outdated.why = Some(error);
                }
            }
        }
    }
    outdated
}

impl Current {
    /// Whether the URL that is link's to set is missing or not today's.
    fn lacks(&self, wiring: &Wiring<'_>, reads: Reads) -> bool {
        let Some(application) = &self.application else {
            return false;
        };
        let is_links = |variable| {
            wiring.origin(&self.own, variable) != Origin::Operator
                && !application.sets_itself(variable)
        };
        // One action sets both. The reads alone differ after `replicas` was changed, which breaks
        // nothing.
        let variable = [WRITE_URL, READ_URL].into_iter().find(|it| is_links(it));
        let changes = wiring.changes(&self.own, reads);
        changes
            .iter()
            .any(|(changed, _)| Some(*changed) == variable)
    }

    fn ask(controller: &dyn Controller, consumer: &ResourceRef) -> Result<Self, Error> {
        Ok(Self {
            application: Application::find(controller, consumer)?,
            own: controller.config(consumer, Layers::Own)?,
        })
    }

    /// What to set, and what to say. An operator's own URL stays. The config of an application
    /// that was deleted waits for its return, and so do the URLs in it.
    fn refresh(
        &self,
        consumer: &ResourceRef,
        wiring: &Wiring<'_>,
        reads: Reads,
        restart: Restart,
    ) -> (Vec<(&'static str, String)>, Option<String>) {
        let mut changes = wiring.changes(&self.own, reads);
        let origin = |variable| wiring.origin(&self.own, variable);
        changes.retain(|(variable, _)| origin(variable) != Origin::Operator);
        let cluster = wiring.topology.cluster();
        let Some(application) = &self.application else {
            changes.retain(|(variable, _)| origin(variable) == Origin::Link);
            let config = if changes.is_empty() {
                "has no URL to renew"
            } else {
                "has the new URLs for its return"
            };
            let note = format!(
                "{consumer} does not exist at present, its config {config}; to forget it: vd pg:unlink {cluster} {consumer}"
            );
            return (changes, Some(note));
        };
        let set = [WRITE_URL, READ_URL]
            .into_iter()
            .take(1 + usize::from(reads != Reads::No));
        let note = set.clone().find_map(|variable| {
            if application.sets_itself(variable) {
                Some(format!(
                    "{consumer} has a {variable} in its block's env, which wins over the new one"
                ))
            } else if origin(variable) == Origin::Operator {
                Some(format!(
                    "{consumer} keeps its {variable}, which link had not set"
                ))
            } else {
                None
            }
        });
        let renewed = (!changes.is_empty())
            .then(|| format!("{consumer}: {}", application.takes_effect(restart)));
        (changes, note.or(renewed))
    }
}

impl Outdated {
    /// That it is not known of some of them.
    pub(crate) fn unknown(&self) -> Option<String> {
        let (why, unread) = (self.why.as_ref()?, &self.unread);
        let names: Vec<_> = unread.iter().map(ToString::to_string).collect();
        let have = if unread.len() == 1 { "has" } else { "have" };
        Some(format!(
            "whether {} {have} today's URLs is not known: {why}",
            names.join(", ")
        ))
    }
}

/// The command that gives an application its URLs.
pub(crate) fn link(wiring: &Wiring<'_>, consumer: &ResourceRef, reads: Reads) -> String {
    let cluster = wiring.topology.cluster();
    let flags = match reads {
        Reads::No => "",
        Reads::InOrder => " --reads",
        Reads::Balanced => " --reads --load-balance",
    };
    format!("vd pg:link {cluster} {consumer}{flags}")
}

#[cfg(test)]
#[path = "relink_tests.rs"]
mod tests;
