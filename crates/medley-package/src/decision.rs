//! How probabilities become labels, and what is shown of them.

use medley_core::{Scores, TaskKind};
use medley_decisions::{DecisionError, Rule, Temperature};
use serde::{Deserialize, Serialize};

/// A rule and a temperature. Both begin with the probabilities as the network gives them: the rule was fitted on those, and a
/// temperature keeps their order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    temperature: f64,
    rule: Rule,
}

impl Decision {
    /// As the official evaluator decides, and probabilities as they are.
    pub const PLAIN: Self = Self { temperature: 1.0, rule: Rule::PLAIN };

    /// What logits are divided by for the probabilities that are shown; 1 changes nothing.
    pub fn temperature(&self) -> f64 {
        self.temperature
    }

    /// What is decided by.
    pub fn rule(&self) -> &Rule {
        &self.rule
    }

    /// Labels of probabilities `[N, C]`: class indices `[N]`, or 0 and 1 `[N * C]` for multi-label tasks.
    ///
    /// # Errors
    /// [`DecisionError`] when the rule is not of such a task.
    pub fn apply(&self, kind: TaskKind, probabilities: &Scores) -> Result<Vec<u16>, DecisionError> {
        self.rule.decide(kind, probabilities)
    }

    /// The probabilities at the temperature; what is to be shown, not what is to be decided by.
    ///
    /// # Errors
    /// [`DecisionError`] where the temperature is not a positive number.
    pub fn calibrate(&self, kind: TaskKind, probabilities: &Scores) -> Result<Scores, DecisionError> {
        if self.temperature == 1.0 {
            return Ok(probabilities.clone());
        }
        Ok(Temperature { temperature: self.temperature }.apply(kind, probabilities)?)
    }
}
