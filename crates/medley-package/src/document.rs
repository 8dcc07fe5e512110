//! `model.toml`.

use crate::{Compute, Model, Weights};

/// The checked form of `model.toml`: one network, for one task or several.
#[derive(Debug, Clone, PartialEq)]
pub struct Package {
    pub(crate) name: String,
    pub(crate) net: toml::Table,
    pub(crate) weights: Weights,
    pub(crate) compute: Compute,
    pub(crate) models: Vec<Model>,
}

impl Package {
    /// Name of the package.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The `[net]` table of the experiment, which `medley_models::NetConfig` checks.
    pub fn net(&self) -> &toml::Table {
        &self.net
    }

    /// The file of weights.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// How the run computed.
    pub fn compute(&self) -> &Compute {
        &self.compute
    }

    /// One for each task, in the order of the network's heads. Never empty.
    pub fn models(&self) -> &[Model] {
        &self.models
    }
}
