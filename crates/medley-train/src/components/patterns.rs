//! Patterns on names of parameters.

use tch::Tensor;
use wildmatch::WildMatch;

/// Patterns in which `*` is any text and `?` any character: `heads.*`, `backbone.layer1.*`.
#[derive(Debug, Clone, Default)]
pub struct Patterns(Vec<Pattern>);

#[derive(Debug, Clone)]
struct Pattern {
    written: String,
    compiled: WildMatch,
}

/// A pattern that matches no parameter of a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct PatternError {
    /// Which one, from 0.
    pub index: usize,
    /// The pattern, and names that are near to it.
    pub problem: String,
}

impl Patterns {
    /// Patterns as written.
    pub fn new<S: AsRef<str>>(patterns: impl IntoIterator<Item = S>) -> Self {
        let pattern = |written: S| {
            let written = written.as_ref().to_owned();
            Pattern { compiled: WildMatch::new(&written), written }
        };
        Self(patterns.into_iter().map(pattern).collect())
    }

    /// The first pattern that matches a name.
    pub fn first_match(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|pattern| pattern.compiled.matches(name))
    }

    /// Whether one of them matches a name.
    pub fn matches(&self, name: &str) -> bool {
        self.first_match(name).is_some()
    }

    /// Checks that each matches a parameter.
    ///
    /// # Errors
    /// The first that does not.
    pub fn check(&self, parameters: &[(String, Tensor)]) -> Result<(), PatternError> {
        let unmatched = |pattern: &Pattern| !parameters.iter().any(|(name, _)| pattern.compiled.matches(name));
        match self.0.iter().position(unmatched) {
            None => Ok(()),
            Some(index) => Err(PatternError { index, problem: no_match(&self.0[index].written, parameters) }),
        }
    }
}

/// The message for a pattern that matches nothing, with the names that are nearest to it.
fn no_match(pattern: &str, parameters: &[(String, Tensor)]) -> String {
    let plain = pattern.replace(['*', '?'], "");
    let distance = |name: &str| {
        // As far as the pattern goes, so that `head.*` is near to `heads.breastmnist.weight`.
        let start: String = name.chars().take(plain.chars().count() + 1).collect();
        strsim::damerau_levenshtein(&start, &plain)
    };
    let mut names: Vec<&str> = parameters.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_by_key(|name| distance(name));
    let nearest = names.iter().take(3).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    format!("`{pattern}` matches no parameter of the network; near are {nearest}")
}
