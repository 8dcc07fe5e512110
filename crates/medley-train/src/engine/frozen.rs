//! What is frozen while a seed trains: by groups of the config for good, by callbacks for a while.

use std::collections::BTreeMap;

use medley_models::MultiTaskNet;

use super::SeedRun;
use crate::TrainError;
use crate::checkpoint::Frozen;
use crate::components::callbacks::CallbackError;
use crate::components::optimizers::Parameter;
use crate::components::patterns::Patterns;
use crate::config::Experiment;

/// Checks `[freeze]` against the parameters of the network, as the groups of the config treat them.
pub(super) fn check(experiment: &Experiment, net: &MultiTaskNet, parameters: &[Parameter]) -> Result<(), TrainError> {
    let patterns = Patterns::new(&experiment.freeze.r#match);
    if let Err(error) = patterns.check(&net.parameters()) {
        return Err(experiment.refuse(&format!("freeze.match[{}]", error.index), error.problem).into());
    }
    if parameters.iter().all(|parameter| parameter.frozen || patterns.matches(&parameter.name)) {
        let problem = "all parameters are frozen in the first epochs: nothing is left to train";
        return Err(experiment.refuse("freeze.match", problem).into());
    }
    Ok(())
}

impl SeedRun<'_> {
    /// Takes note of what callbacks freeze from epoch `epoch` on, counted from 0, by callback; without a pattern, it is trained again.
    pub(super) fn change_frozen(
        &mut self,
        asked: BTreeMap<String, Vec<String>>,
        epoch: usize,
    ) -> Result<(), TrainError> {
        if asked.is_empty() {
            return Ok(());
        }
        let parameters = self.net.parameters();
        for (by, patterns) in asked {
            let refuse = |problem: String| CallbackError { name: by.clone(), problem };
            Patterns::new(&patterns).check(&parameters).map_err(|error| refuse(error.problem))?;
            for earlier in self.progress.frozen.iter_mut().filter(|frozen| frozen.by == by) {
                earlier.until.get_or_insert(epoch);
            }
            if !patterns.is_empty() {
                self.progress.frozen.push(Frozen { by: by.clone(), r#match: patterns, until: None });
            }
            let frozen = self.frozen_now();
            if parameters.iter().all(|(name, _)| self.always_frozen.contains(name) || frozen.matches(name)) {
                return Err(refuse("it freezes all that is left to train".to_owned()).into());
            }
        }
        self.freeze()
    }

    /// Freezes in network and optimizer what progress says, and trains everything else.
    pub(super) fn freeze(&mut self) -> Result<(), TrainError> {
        // Of what was frozen at some time, the optimizer counts the steps apart.
        let ever = Patterns::new(self.progress.frozen.iter().flat_map(|frozen| &frozen.r#match));
        self.optimizer.freeze(&|name| ever.matches(name))?;
        let now = self.frozen_now();
        self.optimizer.freeze(&|name| now.matches(name))?;
        let always = &self.always_frozen;
        Ok(self.net.freeze(|name| always.contains(name) || now.matches(name))?)
    }

    fn frozen_now(&self) -> Patterns {
        let lasting = self.progress.frozen.iter().filter(|frozen| frozen.until.is_none());
        Patterns::new(lasting.flat_map(|frozen| &frozen.r#match))
    }
}
