//! Phases: what comes after all tasks were trained together.
//!
//! `[[phases]]` lists them in order. Each begins with the best network of the one before it, with a fresh optimizer, and has its own
//! epochs, learning rate and frozen parts. A phase that trains tasks `apart` leaves a network for each. When all have ended, each task is predicted by
//! the network that did best on its validation split, that of the joint training among them: a phase that does not help changes nothing.
//!
//! A [`Stage`] is the training of one network in a phase. It has checkpoints of its own, beside those of the joint training, so that
//! a run that is interrupted anywhere finds the stages that have ended and goes on with the one that has not. Which network predicts a
//! task is a function of what lies in those folders.

use crate::config::Experiment;

medley_core::choices! {
    /// `phases[].tasks`
    pub enum PhaseScope {
        /// Each task alone, from the same network to one of its own.
        Apart = "apart",
        /// All tasks, as before.
        Together = "together",
    }
}

medley_core::choices! {
    /// `phases[].train`
    pub enum PhaseTrained {
        /// Everything.
        All = "all",
        /// Heads, and parameters of one dimension: the scales and shifts of norms, and biases.
        HeadsAndNorms = "heads_and_norms",
        /// Heads alone.
        Heads = "heads",
    }
}

medley_core::keys! {
    /// `[[phases]]`: what comes after the training of all tasks by the other tables, in order; each begins with the best network of the one before. At the
    /// end, each task is predicted by the network that did best on its validation split. `[freeze]`, `[soup]`, `sampler.need` and, in phases
    /// `apart`, `[task_weights]` do not hold in them; `[stop]` holds for each network anew.
    pub struct PhaseConfig {
        /// Epochs; of a task alone, each visits all of its rows.
        epochs: usize, in 1..=100_000;
        /// Whether tasks are trained together.
        tasks: PhaseScope = PhaseScope::Apart;
        /// The peak of the learning rate, whose schedule begins anew; left out, a tenth of `optimizer.learning_rate`.
        learning_rate: Option<f64> = None, in 0.0..=1e6;
        /// What is trained.
        train: PhaseTrained = PhaseTrained::All;
        /// Names of parameters that stay as they are beside that, where `*` is any text and `?` any character. Each must match one.
        frozen: Vec<String> = Vec::new();
    }
}

impl PhaseConfig {
    /// Whether a parameter stays as it is by `train`.
    pub(crate) fn freezes(&self, name: &str, dimensions: usize) -> bool {
        match self.train {
            PhaseTrained::All => false,
            PhaseTrained::HeadsAndNorms => !name.starts_with("heads.") && dimensions > 1,
            PhaseTrained::Heads => !name.starts_with("heads."),
        }
    }
}

/// The training of one network in a phase.
#[derive(Debug, Clone)]
pub struct Stage {
    /// Of its folder, such as `phase-1-breastmnist`.
    pub name: String,
    /// Which phase, from 0.
    pub phase: usize,
    /// The task that it is of; `None` where all are trained together.
    pub task: Option<usize>,
    /// Its first epoch, counted over all stages of a seed from 0.
    pub first_epoch: usize,
    /// The stage that it begins with; `None` for the joint training.
    pub from: Option<String>,
    /// What is done.
    pub experiment: Experiment,
}

/// The name of a stage.
pub(crate) fn name(phase: usize, task: Option<&str>) -> String {
    match task {
        Some(task) => format!("phase-{}-{task}", phase + 1),
        None => format!("phase-{}", phase + 1),
    }
}

/// The stages of an experiment after its joint training, in the order in which they are trained.
pub(crate) fn stages(experiment: &Experiment) -> Vec<Stage> {
    let mut stages = Vec::new();
    let mut first_epoch = experiment.train.epochs;
    for (phase, config) in experiment.phases.iter().enumerate() {
        let tasks: Vec<Option<usize>> = match config.tasks {
            PhaseScope::Together => vec![None],
            PhaseScope::Apart => (0..experiment.tasks.len()).map(Some).collect(),
        };
        for task in tasks {
            let named = |task: Option<usize>| task.map(|task| experiment.tasks[task].as_str());
            let from = phase.checked_sub(1).map(|before| match experiment.phases[before].tasks {
                PhaseScope::Together => name(before, None),
                PhaseScope::Apart => name(before, named(task)),
            });
            let (name, experiment) = (name(phase, named(task)), experiment.in_phase(phase));
            stages.push(Stage { name, phase, task, first_epoch, from, experiment });
            first_epoch += config.epochs;
        }
    }
    stages
}

/// Epochs of all stages and of the joint training.
pub(crate) fn epochs(experiment: &Experiment) -> usize {
    stages(experiment).last().map_or(experiment.train.epochs, |last| last.first_epoch + last.experiment.train.epochs)
}

#[cfg(test)]
mod tests {
    use medley_data::Registry;

    use super::*;
    use crate::config::RawExperiment;

    fn experiment(phases: &str) -> Result<Experiment, crate::config::ConfigError> {
        let text = format!("name = 'x'\ntasks = ['breastmnist', 'bloodmnist']\n[train]\nepochs = 5\n{phases}");
        toml::from_str::<RawExperiment>(&text).unwrap().check(Registry::builtin())
    }

    #[test]
    fn stages_follow_each_other() {
        let phases = "[[phases]]\nepochs = 2\ntasks = 'together'\n[[phases]]\nepochs = 3\nlearning_rate = 0.5\n[[phases]]\nepochs = 1";
        let experiment = experiment(phases).unwrap();
        let stages = stages(&experiment);
        let said: Vec<_> = stages.iter().map(|one| (one.name.as_str(), one.first_epoch, one.from.as_deref())).collect();
        assert_eq!(
            said,
            [
                ("phase-1", 5, None),
                ("phase-2-breastmnist", 7, Some("phase-1")),
                ("phase-2-bloodmnist", 10, Some("phase-1")),
                ("phase-3-breastmnist", 13, Some("phase-2-breastmnist")),
                ("phase-3-bloodmnist", 14, Some("phase-2-bloodmnist")),
            ]
        );
        assert_eq!(epochs(&experiment), 15);
        assert_eq!((stages[1].experiment.optimizer.learning_rate, stages[1].experiment.train.epochs), (0.5, 3));
        assert_eq!(stages[0].experiment.optimizer.learning_rate, experiment.optimizer.learning_rate / 10.0);
        assert!(stages[0].experiment.phases.is_empty());
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for (phases, key) in [
            ("[[phases]]\nepochs = 0", "phases[0].epochs"),
            ("[[phases]]\nepochs = 1\n[[phases]]\nepochs = 1\ntasks = 'together'", "phases[1].tasks"),
            ("budget = '1min'\n[[phases]]\nepochs = 1", "train.budget"),
        ] {
            let error = experiment(phases).unwrap_err().to_string();
            assert!(error.contains(&format!("`{key}`")), "{error}");
        }
    }

    #[test]
    fn heads_and_norms_are_what_they_say() {
        let phase = |train| PhaseConfig { epochs: 1, train, ..toml::from_str("epochs = 1").unwrap() };
        let heads = phase(PhaseTrained::HeadsAndNorms);
        assert!(heads.freezes("backbone.conv1.weight", 4) && !heads.freezes("backbone.bn1.weight", 1));
        assert!(!heads.freezes("heads.a.weight", 2) && !phase(PhaseTrained::All).freezes("backbone.conv1.weight", 4));
        assert!(phase(PhaseTrained::Heads).freezes("backbone.bn1.weight", 1));
    }
}
