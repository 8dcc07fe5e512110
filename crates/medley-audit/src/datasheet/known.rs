//! What is published of each set beside the registry: its description, and numbers that can be checked against a file.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;

const TEXT: &str = include_str!("../../../../data/datasheets.toml");

/// All sets.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Known {
    /// Where the descriptions stand.
    pub(super) description_source: String,
    set: BTreeMap<String, KnownSet>,
}

/// One set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KnownSet {
    /// By its authors, word for word.
    pub(super) description: String,
    /// Images over all splits, as the description says.
    pub(super) images: Option<usize>,
    /// Classes or labels, as the description says.
    pub(super) classes: Option<usize>,
    /// Of train, val and test, or of train and val alone, as the description says.
    pub(super) ratio: Option<Vec<usize>>,
    /// Rows of train, val and test, as the description says.
    pub(super) rows: Option<[usize; 3]>,
    /// Largest class over smallest class in train, two decimals.
    pub(super) imbalance: Option<Published<f64>>,
    /// Images per class over all splits.
    pub(super) class_totals: Option<Published<Vec<usize>>>,
    /// What a user should know, each with its source.
    pub(super) remarks: Vec<String>,
}

/// A number and who published it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Published<T> {
    pub(super) value: T,
    pub(super) source: String,
    /// The release it was found in, where that matters.
    pub(super) release: Option<String>,
}

impl Known {
    /// The embedded facts.
    ///
    /// # Panics
    /// Never: a test reads the embedded text.
    pub(super) fn builtin() -> &'static Self {
        static KNOWN: OnceLock<Known> = OnceLock::new();
        KNOWN.get_or_init(|| toml::from_str(TEXT).expect("the embedded facts are tested"))
    }

    /// Those of a set of the registry.
    pub(super) fn get(&self, name: &str) -> Option<&KnownSet> {
        self.set.get(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use medley_data::Registry;

    #[test]
    fn every_set_of_the_registry_is_described() {
        let known = Known::builtin();
        assert_eq!(known.set.len(), Registry::builtin().entries().len());
        for entry in Registry::builtin().entries() {
            let set = known.get(&entry.name).unwrap();
            assert!(set.description.len() > 100, "{}", entry.name);
            assert_eq!(set.classes, Some(entry.classes.len()), "{}", entry.name);
            if let Some(totals) = &set.class_totals {
                assert_eq!(totals.value.len(), entry.classes.len(), "{}", entry.name);
                let images = set.images.or_else(|| entry.releases.last().map(|release| release.rows.iter().sum()));
                assert_eq!(images, Some(totals.value.iter().sum()), "{}", entry.name);
            }
        }
    }
}
