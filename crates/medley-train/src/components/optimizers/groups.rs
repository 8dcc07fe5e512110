//! Groups of parameters, by patterns on their names.

use medley_core::keys::{KeyError, Value as _};
use tch::Tensor;
use wildmatch::WildMatch;

use super::OptimizerKeys;

medley_core::keys! {
    /// `[[optimizer.groups]]`
    pub struct ParameterGroup {
        /// Names of parameters, where `*` is any text and `?` any character: `heads.*`, `backbone.layer1.*`. It must match one.
        r#match: String = String::new();
        /// What the learning rate is multiplied by.
        learning_rate_scale: f64 = 1.0, in 0.0..=1e6;
        /// Decay, biases and norms that match included; left out, as without the group.
        weight_decay: Option<f64> = None, in 0.0..=10.0;
        /// Whether the parameters stay as they are. They have no gradient then; running statistics go on all the same.
        frozen: bool = false;
    }
}

/// A parameter, and how it is treated.
#[derive(Debug)]
pub struct Parameter {
    /// Its name in the network.
    pub name: String,
    /// fp32; shares memory with the network.
    pub tensor: Tensor,
    /// What the learning rate is multiplied by.
    pub learning_rate_scale: f64,
    /// Its decay.
    pub weight_decay: f64,
    /// Whether it stays as it is.
    pub frozen: bool,
}

impl Parameter {
    /// One that no group matches. Biases and the scales of normalisations have one dimension and are not decayed.
    pub fn plain(name: &str, tensor: &Tensor, weight_decay: f64) -> Self {
        Self {
            name: name.to_owned(),
            tensor: tensor.shallow_clone(),
            learning_rate_scale: 1.0,
            weight_decay: if tensor.dim() > 1 { weight_decay } else { 0.0 },
            frozen: false,
        }
    }
}

/// A group that does not fit the network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{key}`: {problem}")]
pub struct GroupError {
    /// Dotted key, such as `optimizer.groups[0].match`.
    pub key: String,
    /// What is wrong, and what there is.
    pub problem: String,
}

/// Says of each parameter how it is treated: as the first group that matches its name says.
///
/// # Errors
/// [`GroupError`] for a pattern that matches nothing, and when nothing is left to train.
pub fn assign(config: &OptimizerKeys, parameters: &[(String, Tensor)]) -> Result<Vec<Parameter>, GroupError> {
    let patterns: Vec<WildMatch> = config.groups.iter().map(|group| WildMatch::new(&group.r#match)).collect();
    for (index, pattern) in patterns.iter().enumerate() {
        if !parameters.iter().any(|(name, _)| pattern.matches(name)) {
            let problem = no_match(&config.groups[index].r#match, parameters);
            return Err(GroupError { key: format!("optimizer.groups[{index}].match"), problem });
        }
    }
    let assigned: Vec<Parameter> = (parameters.iter())
        .map(|(name, tensor)| {
            let mut parameter = Parameter::plain(name, tensor, config.weight_decay);
            if let Some(index) = patterns.iter().position(|pattern| pattern.matches(name)) {
                let group = &config.groups[index];
                parameter.learning_rate_scale = group.learning_rate_scale;
                parameter.weight_decay = group.weight_decay.unwrap_or(parameter.weight_decay);
                parameter.frozen = group.frozen;
            }
            parameter
        })
        .collect();
    if !assigned.is_empty() && assigned.iter().all(|parameter| parameter.frozen) {
        let problem = "all parameters are frozen: nothing is left to train".to_owned();
        return Err(GroupError { key: "optimizer.groups".to_owned(), problem });
    }
    Ok(assigned)
}

/// Checks what can be checked without a network.
///
/// # Errors
/// The first group without a pattern.
pub(crate) fn check(groups: &[ParameterGroup]) -> Result<(), KeyError> {
    let Some(index) = groups.iter().position(|group| group.r#match.is_empty()) else { return Ok(()) };
    Err(KeyError {
        key: format!("optimizer.groups[{index}].match"),
        value: String::new().to_toml().unwrap_or_default(),
        allowed: "a pattern on names of parameters, such as \"heads.*\"".to_owned(),
    })
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
    format!("`{pattern}` matches no parameter of the network; the nearest are {nearest}")
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    fn parameters() -> Vec<(String, Tensor)> {
        let tensor = |shape: &[i64]| Tensor::zeros(shape, (Kind::Float, Device::Cpu));
        let named = |name: &str, shape: &[i64]| (name.to_owned(), tensor(shape));
        vec![
            named("backbone.conv.weight", &[2, 3]),
            named("backbone.norm.weight", &[2]),
            named("heads.breastmnist.bias", &[2]),
            named("heads.breastmnist.weight", &[2, 2]),
        ]
    }

    fn keys(groups: &str) -> OptimizerKeys {
        toml::from_str(&format!("weight_decay = 0.5\n{groups}")).unwrap()
    }

    #[test]
    fn the_first_group_that_matches_counts() {
        let keys = keys(
            "[[groups]]\nmatch = 'heads.*.bias'\nweight_decay = 0.25\n[[groups]]\nmatch = 'heads.*'\n\
             learning_rate_scale = 10\n[[groups]]\nmatch = 'backbone.conv*'\nfrozen = true\n",
        );
        let assigned = assign(&keys, &parameters()).unwrap();
        let treated: Vec<_> = assigned.iter().map(|p| (p.learning_rate_scale, p.weight_decay, p.frozen)).collect();
        assert_eq!(treated, [(1.0, 0.5, true), (1.0, 0.0, false), (1.0, 0.25, false), (10.0, 0.5, false)]);
    }

    #[test]
    fn a_pattern_that_matches_nothing_is_refused_with_near_names() {
        let error = assign(&keys("[[groups]]\nmatch = 'head.*'"), &parameters()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`optimizer.groups[0].match`: `head.*` matches no parameter of the network; near are \
             `heads.breastmnist.bias`, `heads.breastmnist.weight`, `backbone.conv.weight`"
        );
        let error = assign(&keys("[[groups]]\nmatch = '*'\nfrozen = true"), &parameters()).unwrap_err();
        assert!(error.problem.contains("nothing is left to train"));
        assert!(check(&keys("[[groups]]\nfrozen = true").groups).unwrap_err().to_string().contains("groups[0].match"));
    }
}
