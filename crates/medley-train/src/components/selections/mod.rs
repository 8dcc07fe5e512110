//! Selections: which epoch is kept, by its validation.
//!
//! A [`Selection`] gives a validation one number, and the epoch with the highest is kept; of several, the one with the lower
//! validation loss, and then the earlier. `last` keeps the last epoch. To add one: a file here, and a line in the registry.

mod accuracy;
mod auc;
mod last;
mod loss;
mod macro_f1;

use medley_core::record::ScoreSet;

use serde::{Deserialize, Serialize};

use super::{Component, registry};

pub use accuracy::Accuracy;
pub use auc::Auc;
pub use last::Last;
pub use loss::ValidationLoss;
pub use macro_f1::MacroF1;

/// `[select]`
pub type SelectConfig = Component<SelectionChoice, SelectionKeys>;

/// What makes a validation better than another.
pub trait Selection {
    /// Higher is better. NaN, where the metric is not defined, is worse than everything.
    fn score(&self, validation: &Validation<'_>) -> f64;

    /// Whether a later epoch takes the place of the one that is kept.
    fn prefers(&self, kept: &Selected, later: &Selected) -> bool {
        kept.is_beaten_by(later)
    }
}

/// A network on the validation split.
#[derive(Debug, Clone, Copy)]
pub struct Validation<'a> {
    /// Metrics of every task.
    pub scores: &'a ScoreSet,
    /// Mean over the tasks of their mean losses.
    pub loss: f64,
}

registry! {
    /// The selections.
    SelectionChoice: dyn Selection = "select" {
        MacroF1(MacroF1) = "macro_f1",
        Auc(Auc) = "auc",
        Accuracy(Accuracy) = "accuracy",
        Loss(ValidationLoss) = "loss",
        Last(Last) = "last",
    }
}

medley_core::keys! {
    /// Which epoch of a run is kept and scored: the best on the validation split, or the last. Of equals, the one with the lower validation
    /// loss is kept, and then the earlier.
    pub struct SelectionKeys {}
}

/// The score of an epoch that was validated.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Selected {
    /// By the selection; the least number where that is not defined.
    pub score: f64,
    /// Of validation; `None` where it is not finite, and in checkpoints of older programs, which did not keep it.
    pub loss: Option<f64>,
}

impl Selected {
    /// Scores a validation.
    pub fn new(selection: &dyn Selection, validation: &Validation<'_>) -> Self {
        // What is kept has to be a number: JSON has no other.
        let score = Some(selection.score(validation)).filter(|score| score.is_finite()).unwrap_or(f64::MIN);
        Self { score, loss: Some(validation.loss).filter(|loss| loss.is_finite()) }
    }

    /// Whether a later epoch is to be kept in place of this one.
    pub fn is_beaten_by(&self, later: &Self) -> bool {
        if later.score == self.score {
            return matches!((later.loss, self.loss), (Some(later), Some(loss)) if later < loss);
        }
        later.score > self.score
    }
}

/// The mean of the values that are defined; NaN without any.
fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0_usize), |(sum, count), value| (sum + value, count + 1));
    sum / count as f64
}

/// Two tasks for tests of selections.
#[cfg(test)]
fn example() -> ScoreSet {
    use medley_core::Split;
    use medley_core::record::TaskResult;
    let task = |name: &str, auc, accuracy, macro_f1| TaskResult {
        task: name.to_owned(),
        split: Split::Val,
        rows: 4,
        auc,
        accuracy,
        macro_f1,
        per_class: Vec::new(),
        confusion: Vec::new(),
    };
    let tasks = vec![task("a", Some(0.75), 0.5, 0.25), task("b", None, 1.0, 0.75)];
    ScoreSet { tasks, harmonic_mean: 0.375, intervals: None }
}

#[cfg(test)]
mod tests {
    use super::super::Choice as _;
    use super::*;

    #[test]
    fn of_equals_the_lower_loss_wins_and_then_the_earlier() {
        let at = |score, loss| Selected { score, loss };
        let best = at(0.5, Some(1.0));
        assert!(best.is_beaten_by(&at(0.6, Some(2.0))));
        assert!(!best.is_beaten_by(&at(0.4, Some(0.5))));
        assert!(best.is_beaten_by(&at(0.5, Some(0.9))));
        assert!(!best.is_beaten_by(&at(0.5, Some(1.0))));
        assert!(!at(0.5, None).is_beaten_by(&at(0.5, Some(0.1))), "an old checkpoint keeps the earlier");
        let scores = ScoreSet { tasks: Vec::new(), ..example() };
        let undefined = Selected::new(&Auc::default(), &Validation { scores: &scores, loss: f64::INFINITY });
        assert!(undefined.is_beaten_by(&at(0.0, None)) && !at(0.0, None).is_beaten_by(&undefined));
    }

    #[test]
    fn every_selection_prefers_the_better_of_two() {
        let (worse, mut better) = (example(), example());
        for task in &mut better.tasks {
            (task.auc, task.accuracy, task.macro_f1) = (Some(1.0), 1.0, 1.0);
        }
        better.harmonic_mean = 1.0;
        for name in SelectionChoice::NAMES {
            let selection = SelectionChoice::read(name, toml::Table::new()).unwrap();
            let worse = selection.score(&Validation { scores: &worse, loss: 2.0 });
            assert!(selection.score(&Validation { scores: &better, loss: 1.0 }) > worse, "{name}");
        }
    }
}
