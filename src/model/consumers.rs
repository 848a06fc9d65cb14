//! The applications that are linked to a cluster, and what each of them asked for. Three keys of
//! the bucket hold them, each as `scope/name,scope/name`.

use std::collections::BTreeMap;

use crate::model::bucket::{Vars, keys};
use crate::model::excerpt::excerpt;
use crate::model::refusal::{Refusal, Result};
use crate::model::resource_ref::ResourceRef;

/// Which URL for reading an application asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reads {
    /// None.
    No,
    /// All standbys, tried from left to right.
    InOrder,
    /// All standbys, in an order that each connection draws (libpq 16 and later).
    Balanced,
}

/// Every linked application, sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Consumers(BTreeMap<ResourceRef, Reads>);

impl Consumers {
    /// Reads the three keys. Whoever is no consumer cannot be a reader.
    pub(crate) fn read(vars: &Vars<'_>) -> Result<Self> {
        let mut consumers: BTreeMap<_, _> = list(vars, keys::LINKED_CONSUMERS)?
            .into_iter()
            .map(|consumer| (consumer, Reads::No))
            .collect();
        for (key, reads) in [
            (keys::LINKED_READERS, Reads::InOrder),
            (keys::LINKED_BALANCED, Reads::Balanced),
        ] {
            for reader in list(vars, key)? {
                // A balanced one is in both lists.
                if let Some(before) = consumers.get_mut(&reader) {
                    *before = reads.max(*before);
                }
            }
        }
        Ok(Self(consumers))
    }

    /// What a linked application asked for.
    pub(crate) fn get(&self, consumer: &ResourceRef) -> Option<Reads> {
        self.0.get(consumer).copied()
    }

    /// Every application with what it asked for.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&ResourceRef, Reads)> {
        self.0.iter().map(|(consumer, reads)| (consumer, *reads))
    }

    /// Whether no application is linked.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Remembers an application.
    pub(crate) fn link(&mut self, consumer: ResourceRef, reads: Reads) {
        self.0.insert(consumer, reads);
    }

    /// Forgets an application.
    pub(crate) fn unlink(&mut self, consumer: &ResourceRef) {
        self.0.remove(consumer);
    }

    /// The three keys with their values; an empty one deletes its key.
    pub(crate) fn kv(&self) -> [(&'static str, String); 3] {
        [
            (keys::LINKED_CONSUMERS, Reads::No),
            (keys::LINKED_READERS, Reads::InOrder),
            (keys::LINKED_BALANCED, Reads::Balanced),
        ]
        .map(|(key, least)| {
            let asked = self.iter().filter(|(_, reads)| *reads >= least);
            let names: Vec<_> = asked.map(|(consumer, _)| consumer.to_string()).collect();
            (key, names.join(","))
        })
    }
}

fn list(vars: &Vars<'_>, key: &str) -> Result<Vec<ResourceRef>> {
    let text = vars.text(key)?.unwrap_or_default();
    let entries = text
        .split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty());
    entries
        .map(|entry| {
            entry.parse().map_err(|_| {
                Refusal::new(
                    format!(
                        "{key} in the config: {} is not <scope>/<name>",
                        excerpt(entry)
                    ),
                    format!(
                        "see it with vd config {} get {key} and correct it",
                        vars.cluster
                    ),
                )
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    fn read(config: &Value) -> Result<Consumers> {
        let cluster = ResourceRef::new("clowk-lp", "db")?;
        Consumers::read(&Vars {
            config: config.as_object().unwrap(),
            cluster: &cluster,
        })
    }

    #[test]
    fn each_consumer_has_what_it_asked_for() {
        let consumers = read(&json!({
            "POSTGRES_LINKED_CONSUMERS": "s/c, s/a,s/b,s/a",
            "POSTGRES_LINKED_READERS": "s/b,s/c,s/gone",
            "POSTGRES_LINKED_BALANCED": "s/c",
        }))
        .unwrap();
        let all: Vec<_> = consumers
            .iter()
            .map(|(name, reads)| (name.to_string(), reads))
            .collect();
        let expected = [
            ("s/a", Reads::No),
            ("s/b", Reads::InOrder),
            ("s/c", Reads::Balanced),
        ];
        assert_eq!(all, expected.map(|(name, reads)| (name.to_owned(), reads)));
        assert_eq!(
            consumers.kv().map(|(_, value)| value),
            ["s/a,s/b,s/c", "s/b,s/c", "s/c"]
        );
    }

    #[test]
    fn an_entry_that_is_no_reference_is_refused_by_its_key() {
        let refusal = read(&json!({"POSTGRES_LINKED_READERS": "s/a,web"})).unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "POSTGRES_LINKED_READERS in the config: \"web\" is not <scope>/<name>"
        );
    }

    #[test]
    fn unlinking_the_last_one_empties_every_key() {
        let web = ResourceRef::new("s", "web").unwrap();
        let mut consumers = Consumers::default();
        consumers.link(web.clone(), Reads::Balanced);
        consumers.unlink(&web);
        assert_eq!(consumers.kv().map(|(_, value)| value), ["", "", ""]);
    }

    proptest! {
        #[test]
        fn what_was_linked_is_read_back(links in prop::collection::vec(("[a-c]", "[a-c]", 0..3usize), 0..9)) {
            let mut consumers = Consumers::default();
            for (scope, name, reads) in links {
                let reads = [Reads::No, Reads::InOrder, Reads::Balanced][reads];
                consumers.link(ResourceRef::new(&scope, &name).unwrap(), reads);
            }
            let config: Map<_, _> = consumers.kv().into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect();
            prop_assert_eq!(read(&Value::Object(config)).unwrap(), consumers);
        }
    }
}
