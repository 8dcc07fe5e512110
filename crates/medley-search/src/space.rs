//! What is searched: for each key the values that it may take, and when it is there at all.
//!
//! A space is a table of TOML. A key of an experiment, in quotation marks or not, has one of five forms:
//!
//! ```toml
//! [space]
//! "optimizer.learning_rate" = { log = [1e-4, 3e-2] }         # even in the logarithm
//! "train.label_smoothing" = { uniform = [0.0, 0.2] }         # even; with `step = 0.05`, in steps
//! "train.batch_size" = { int = [8, 64], step = 8 }           # whole numbers; `log = true` for even in the logarithm
//! "loss.name" = { choice = ["cross_entropy", "focal"] }      # any values, tables too
//! "loss.gamma" = { uniform = [0.5, 5.0], when = { "loss.name" = "focal" } }
//!
//! [[variants]]                                               # named sets of keys, of which a trial takes one
//! name = "small"
//! set = { "net.width" = 16 }
//! ```
//!
//! Inside, every value is a number in [0, 1): samplers work in that cube, and [`Space::decode`] and [`Space::encode`] go between. A
//! whole number or a choice is a cell of the interval, and its number is the middle of its cell, so that a draw from the cube takes
//! each equally often.
//!
//! ```
//! use medley_search::Space;
//!
//! let space = Space::parse("space.toml".as_ref(), r#"
//!     [space]
//!     "optimizer.learning_rate" = { log = [1e-4, 1e-2] }
//!     "loss.name" = { choice = ["cross_entropy", "focal"] }
//!     "loss.gamma" = { uniform = [0.5, 4.5], when = { "loss.name" = "focal" } }
//! "#)?;
//! // Sorted by key, conditions after what they depend on: loss.name, loss.gamma, optimizer.learning_rate.
//! let point = space.decode(&[0.75, 0.25, 0.5]);
//! assert_eq!(point.to_string(), "loss.gamma = 1.5\nloss.name = \"focal\"\noptimizer.learning_rate = 0.001\n");
//! assert_eq!(space.decode(&[0.0, 0.25, 0.5]).get("loss.gamma"), None);
//! # Ok::<(), medley_search::SearchError>(())
//! ```

mod domain;
mod parse;
mod point;

use std::collections::BTreeMap;

pub use domain::Domain;
pub(crate) use parse::parse_space;
pub use point::Point;

use crate::{Place, SearchError};

/// The key under which a point says which variant it takes.
pub const VARIANT: &str = "variant";
/// Most keys of a space: the Sobol sequence has as many dimensions.
pub const MAX_KEYS: usize = 256;

/// The keys that are searched. Spaces are equal if they say the same, wherever they are written.
#[derive(Debug, Clone)]
pub struct Space {
    /// A key comes after those that its conditions name; otherwise sorted.
    dimensions: Vec<Dimension>,
    variants: BTreeMap<String, toml::Table>,
    /// Where each key was written, those of variants too.
    places: BTreeMap<String, Place>,
}

impl PartialEq for Space {
    fn eq(&self, other: &Self) -> bool {
        self.dimensions == other.dimensions && self.variants == other.variants
    }
}

/// One key.
#[derive(Debug, Clone, PartialEq)]
pub struct Dimension {
    /// Dotted, such as `optimizer.learning_rate`.
    pub key: String,
    /// Its values.
    pub domain: Domain,
    /// It is there if all of these hold; without any, always.
    pub when: Vec<Condition>,
}

/// A demand on another key, which is a choice.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Condition {
    /// Index of that key among the dimensions.
    pub dimension: usize,
    /// Indices of its choices, one of which it must have.
    pub choices: Vec<usize>,
}

impl Space {
    /// Reads the tables `[space]` and `[[variants]]` of a text; `path` is for messages.
    ///
    /// # Errors
    /// [`SearchError`] with the place of what is wrong: an empty range, a logarithm of what is not positive, a step that does not fit,
    /// a condition on a key that is not there or cannot have the value, keys that depend on each other in a circle.
    pub fn parse(path: &std::path::Path, text: &str) -> Result<Self, SearchError> {
        let (document, root) = crate::document::Document::parse(path, text)?;
        let entries = document.table(&root, "")?;
        document.only(entries, "", &["space", "variants"])?;
        parse_space(&document, entries.get("space"), entries.get("variants"))
    }

    /// The keys: each after those that its conditions name.
    pub fn dimensions(&self) -> &[Dimension] {
        &self.dimensions
    }

    /// All keys that points set, those of variants too, each with where it was written.
    pub fn keys(&self) -> impl Iterator<Item = (&str, &Place)> {
        self.places.iter().map(|(key, place)| (key.as_str(), place))
    }

    /// [`SearchError::BadValue`] at the place of a key, for those who know more of it, such as that the base experiment lacks it; of a key
    /// that is not in [`keys`](Self::keys), [`SearchError::NotInSpace`].
    pub fn refuse(&self, key: &str, problem: impl Into<String>) -> SearchError {
        let (key, problem) = (key.to_owned(), problem.into());
        match self.places.get(&key) {
            Some(place) => SearchError::BadValue { key, problem, place: place.clone().into(), hint: None },
            None => SearchError::NotInSpace { key, problem },
        }
    }

    /// Which keys are there at a place of the cube, one number per dimension. Numbers of keys that are not there mean nothing.
    ///
    /// # Panics
    /// If there are fewer numbers than dimensions.
    pub fn active(&self, cube: &[f64]) -> Vec<bool> {
        let mut active: Vec<bool> = Vec::with_capacity(self.dimensions.len());
        for dimension in &self.dimensions {
            let holds = |condition: &Condition| {
                let parent = &self.dimensions[condition.dimension].domain;
                active[condition.dimension]
                    && condition.choices.contains(&parent.cell(cube[condition.dimension]).unwrap_or(usize::MAX))
            };
            active.push(dimension.when.iter().all(holds));
        }
        active
    }

    /// The point at a place of the cube [0, 1)^d; numbers outside are moved to its edge.
    ///
    /// # Panics
    /// If there are fewer numbers than dimensions.
    pub fn decode(&self, cube: &[f64]) -> Point {
        let active = self.active(cube);
        let there = self.dimensions.iter().zip(cube).zip(active).filter(|(_, active)| *active);
        Point::new(there.map(|((dimension, &at), _)| (dimension.key.clone(), dimension.domain.value(at))).collect())
    }

    /// The place of a point in the cube: a number in [0, 1) for each key that is there, `None` for the others. For whole numbers,
    /// choices and steps, decoding gives the same value again; for others, a value that differs by rounding alone.
    ///
    /// # Errors
    /// [`SearchError::NotInSpace`]: a key too many or too few, or a value that the key cannot have.
    pub fn encode(&self, point: &Point) -> Result<Vec<Option<f64>>, SearchError> {
        let refuse = |key: &str, problem: String| SearchError::NotInSpace { key: key.to_owned(), problem };
        let mut cube = vec![0.0; self.dimensions.len()];
        let mut found = 0;
        for (at, dimension) in cube.iter_mut().zip(&self.dimensions) {
            let Some(value) = point.get(&dimension.key) else { continue };
            found += 1;
            *at = dimension
                .domain
                .place_of(value)
                .ok_or_else(|| refuse(&dimension.key, format!("cannot be {value}: it must be {}", dimension.domain)))?;
        }
        if found < point.len() {
            let known = |key: &str| self.dimensions.iter().any(|dimension| dimension.key == key);
            let other = point.iter().map(|(key, _)| key).find(|key| !known(key)).unwrap_or_default();
            return Err(refuse(other, "is not searched".to_owned()));
        }
        let active = self.active(&cube);
        for (dimension, active) in self.dimensions.iter().zip(&active) {
            match (point.get(&dimension.key), active) {
                (Some(_), false) => {
                    return Err(refuse(&dimension.key, "is there, but its condition does not hold".into()));
                }
                (None, true) => return Err(refuse(&dimension.key, "is missing".into())),
                _ => {}
            }
        }
        Ok(cube.into_iter().zip(active).map(|(at, active)| active.then_some(at)).collect())
    }

    /// What a point sets in an experiment: its keys, and those of its variant.
    pub fn settings(&self, point: &Point) -> BTreeMap<String, toml::Value> {
        let mut settings: BTreeMap<String, toml::Value> = point
            .iter()
            .filter(|(key, _)| *key != VARIANT)
            .map(|(key, value)| (key.to_owned(), value.clone()))
            .collect();
        let variant = point.get(VARIANT).and_then(toml::Value::as_str).and_then(|name| self.variants.get(name));
        settings.extend(variant.into_iter().flatten().map(|(key, value)| (key.clone(), value.clone())));
        settings
    }
}

#[cfg(test)]
mod tests;
