//! What a study says of its trials, and whether that fits its base experiment.

use std::collections::BTreeMap;
use std::path::Path;

use medley_core::keys::{KeyError, Table as _};
use medley_data::Registry;
use medley_search::{Dimension, Direction, SearchError, Space, StudyDefinition};
use medley_train::config::{ConfigError, Experiment};
use toml::Value;

use crate::TuneError;

/// Values of a key that are tried against the base experiment, of those that are many.
const MOST_CHOICES: usize = 64;

/// Keys that trials differ in by themselves, or without which their values could not be compared, each with the reason.
const HELD: [(&str, &str); 6] = [
    ("name", "trials are named by their numbers"),
    ("seeds", "`objective.seeds` says how many seeds a trial has"),
    ("tasks", "values of different tasks cannot be compared"),
    ("select", "values of different selections cannot be compared"),
    ("folds", "`objective.folds` says how many folds a trial has"),
    ("train.budget", "a trial may not depend on the clock; search `train.epochs`"),
];

medley_core::keys! {
    /// `[objective]` of a study of experiments.
    pub struct Plan {
        /// The experiment that is varied: a config, relative to the file of the study.
        base: String;
        /// Seeds of each trial, whose values are averaged.
        seeds: usize = 1, in 1..=100;
        /// In place of seeds: training and validation rows are split into so many folds, and each trial trains one run for each.
        folds: Option<usize> = None, in 2..=100;
        /// With folds, files that say which rows belong together, by task, as `folds.groups` of a config: relative to the folder
        /// in which the workers run.
        groups: BTreeMap<String, String> = BTreeMap::new();
    }
}

impl Plan {
    /// Reads `[objective]`.
    ///
    /// # Errors
    /// [`SearchError`] with the place of what is wrong.
    pub fn of(definition: &StudyDefinition) -> Result<Self, SearchError> {
        let table = &definition.objective;
        if !table.contains_key("base") {
            let problem = "there is no base experiment: add [objective] with `base = \"CONFIG.toml\"`";
            return Err(definition.refuse("objective.base", problem));
        }
        let known = ["base", "seeds", "folds", "groups"];
        if let Some(key) = table.keys().find(|key| !known.contains(&key.as_str())) {
            let key = format!("objective.{key}");
            return Err(definition.refuse(&key, "there is no such key; it can be `base`, `seeds`, `folds` or `groups`"));
        }
        // The key without which it can be read is the wrong one.
        let plan: Self = Value::Table(table.clone()).try_into().map_err(|error: toml::de::Error| {
            let wrong = known.iter().find(|key| {
                let alone = [("base".to_owned(), Value::from("x")), ((**key).to_owned(), table[**key].clone())];
                table.contains_key(**key) && Value::Table(alone.into_iter().collect()).try_into::<Self>().is_err()
            });
            definition.refuse(&format!("objective.{}", wrong.unwrap_or(&"base")), error.message().to_owned())
        })?;
        plan.check("objective").map_err(|KeyError { key, value, allowed }| {
            definition.refuse(&key, format!("it is {value}, it must be {allowed}"))
        })?;
        if plan.folds.is_some() && table.contains_key("seeds") {
            return Err(definition.refuse("objective.folds", "a trial has seeds or folds; take one of them out"));
        }
        if plan.folds.is_none() && !plan.groups.is_empty() {
            return Err(definition.refuse("objective.groups", "it is for folds, and `objective.folds` is left out"));
        }
        if definition.direction == Direction::Minimize {
            let problem = "a trial has the score that chooses its epochs, and higher is better, also of the loss, which counts \
                           negative; take it out";
            return Err(definition.refuse("direction", problem));
        }
        Ok(plan)
    }

    /// Runs of a trial.
    pub fn parts(&self) -> usize {
        self.folds.unwrap_or(self.seeds)
    }

    /// Checks a study against its base experiment, a config at `base`: every key of the space at every end of its range, or every
    /// choice, with the others at their middle.
    ///
    /// # Errors
    /// [`ConfigError`] where the base cannot be used by itself; [`SearchError`], at its place in the study, where the space does not fit.
    pub fn check_base(&self, definition: &StudyDefinition, base: &Path, registry: &Registry) -> Result<(), TuneError> {
        let experiment = Experiment::load(base, &[], registry)?;
        for (key, written) in
            [("train.budget", experiment.train.budget.is_some()), ("stop.minutes", experiment.stop.minutes.is_some())]
        {
            if written {
                return Err(experiment
                    .refuse(key, "trials of a study may not depend on the clock; take it out")
                    .into());
            }
        }
        if !experiment.phases.is_empty() {
            let problem =
                "the value of a trial is the score of its joint training, which phases come after; take them out";
            return Err(experiment.refuse("phases", problem).into());
        }
        if self.folds.is_some() && experiment.folds.count.is_some() {
            let problem = "the base has folds of its own (`folds.count`); take one of them out";
            return Err(definition.refuse("objective.folds", problem).into());
        }
        if let Some(last) = definition.pruner.last().filter(|last| *last > experiment.train.epochs as u64) {
            let epochs = experiment.train.epochs;
            let problem = format!("it is {last}, but trials have {epochs} epochs (`train.epochs` of the base)");
            return Err(definition.refuse("pruner.last", problem).into());
        }
        let space = &definition.space;
        for (key, _) in space.keys() {
            let is_held = |held: &&(&str, &str)| key == held.0 || key.starts_with(&format!("{}.", held.0));
            if let Some((_, reason)) = HELD.iter().find(is_held) {
                return Err(space.refuse(key, format!("it cannot be searched: {reason}")).into());
            }
        }
        for cube in probes(space) {
            let settings = overrides(&space.settings(&space.decode(&cube.at)));
            if let Err(error) = Experiment::load(base, &self.with_part(&settings, 0, 0), registry) {
                return Err(refusal(space, &error, cube.of.as_deref()).into());
            }
        }
        Ok(())
    }

    /// Overrides of a trial's run, with those that make it the run of one seed, or of one fold.
    pub(crate) fn with_part(&self, overrides: &[String], index: usize, seed: u64) -> Vec<String> {
        let mut all = overrides.to_vec();
        all.push(format!("seeds=[{seed}]"));
        if let Some(count) = self.folds {
            all.extend([format!("folds.count={count}"), format!("folds.index={index}")]);
            all.extend(self.groups.iter().map(|(task, path)| groups_file(task, path)));
        }
        all
    }
}

/// The file of a task's groups, as `medley train --set` takes it.
pub(crate) fn groups_file(task: &str, path: &str) -> String {
    format!("folds.groups.{task}={}", Value::from(path))
}

/// Settings as `medley train --set` takes them.
pub fn overrides(settings: &std::collections::BTreeMap<String, Value>) -> Vec<String> {
    settings.iter().map(|(key, value)| format!("{key}={value}")).collect()
}

/// A place of the cube that is tried.
struct Probe {
    at: Vec<f64>,
    /// The key whose value is tried.
    of: Option<String>,
}

/// For each key, places with each of its choices, or with both ends of its range, where its conditions hold.
fn probes(space: &Space) -> Vec<Probe> {
    let dimensions = space.dimensions();
    let middle = vec![0.5; dimensions.len()];
    let mut probes = vec![Probe { at: middle.clone(), of: None }];
    for (index, dimension) in dimensions.iter().enumerate() {
        let mut at = middle.clone();
        hold(dimensions, index, &mut at);
        for place in places(dimension) {
            at[index] = place;
            probes.push(Probe { at: at.clone(), of: Some(dimension.key.clone()) });
        }
    }
    probes
}

/// Makes the conditions of a dimension hold, and those of the dimensions that they name.
fn hold(dimensions: &[Dimension], index: usize, at: &mut [f64]) {
    for condition in &dimensions[index].when {
        let parent = &dimensions[condition.dimension].domain;
        if let Some(&choice) = condition.choices.first() {
            let (from, to) = parent.bounds(choice);
            at[condition.dimension] = f64::midpoint(from, to);
        }
        hold(dimensions, condition.dimension, at);
    }
}

fn places(dimension: &Dimension) -> Vec<f64> {
    match dimension.domain.count() {
        Some(count) if dimension.domain.is_choice() => {
            let middle = |index| {
                let (from, to) = dimension.domain.bounds(index);
                f64::midpoint(from, to)
            };
            (0..count.min(MOST_CHOICES)).map(middle).collect()
        }
        _ => vec![0.0, 1.0],
    }
}

/// The refusal of a base experiment, at the key of the study that is the cause.
fn refusal(space: &Space, error: &ConfigError, tried: Option<&str>) -> SearchError {
    let text = error.to_string();
    let said: Vec<&str> = text.lines().take_while(|line| !line.trim_start().starts_with("-->")).collect();
    let hint = error.hint().map_or_else(String::new, |hint| format!("; {hint}"));
    let said = said.join(" ").split("hint: ").next().unwrap_or_default().trim().to_owned();
    let problem = format!("the base experiment does not take it: {said}{hint}");
    // The key itself, or a table of it, or one that it stands in.
    let about = error.key().unwrap_or_default();
    let related =
        |key: &str| key == about || about.starts_with(&format!("{key}.")) || key.starts_with(&format!("{about}."));
    let named = space.keys().map(|(key, _)| key).find(|key| !about.is_empty() && related(key));
    let guilty = named.or(tried).or_else(|| space.keys().next().map(|(key, _)| key)).unwrap_or_default();
    space.refuse(guilty, problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "name = 'x'\ntasks = ['breastmnist']\n[train]\nepochs = 9\n";

    fn check(study: &str, base: &str) -> Result<(), TuneError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("base.toml");
        medley_storage::write_whole(&medley_storage::RealFs, &path, base.as_bytes()).unwrap();
        let definition = StudyDefinition::parse("study.toml".as_ref(), study)?;
        Plan::of(&definition)?.check_base(&definition, &path, Registry::builtin())
    }

    fn study(objective: &str, space: &str) -> String {
        format!("[budget]\ntrials = 3\n[objective]\nbase = 'x.toml'\n{objective}\n[space]\n{space}\n")
    }

    #[test]
    fn a_study_that_fits_its_base_is_taken() {
        let space = "'optimizer.learning_rate' = { log = [1e-4, 1e-1] }\n'loss.name' = { choice = ['cross_entropy', 'focal'] }\n\
                     'loss.gamma' = { uniform = [0.5, 4.0], when = { 'loss.name' = 'focal' } }\n\
                     [[variants]]\nname = 'a'\nset = { 'net.dropout' = 0.1 }\n[[variants]]\nname = 'b'\nset = {}";
        check(&study("folds = 3", space), BASE).unwrap();
        let groups = study("folds = 3\ngroups = { breastmnist = 'a \\u0301.csv' }", space);
        check(&groups, BASE).unwrap();
        let definition = StudyDefinition::parse("study.toml".as_ref(), &groups).unwrap();
        let of_fold = Plan::of(&definition).unwrap().with_part(&[], 1, 0);
        assert!(of_fold.iter().any(|one| *one == r"folds.groups.breastmnist='a \u0301.csv'"), "{of_fold:?}");
    }

    #[test]
    fn what_the_base_does_not_take_is_shown_in_the_study() {
        let table = [
            ("", "'train.epoch' = { int = [1, 3] }", "`train.epoch`", "did you mean `train.epochs`?", 7),
            ("", "'train.epochs' = { int = [0, 3] }", "`train.epochs`", "it is 0", 7),
            ("", "'net.dropout' = { uniform = [0.0, 1.0] }", "`net.dropout`", "it is 1", 7),
            ("", "'loss.name' = { choice = ['cross_entropy', 'fokal'] }", "`loss.name`", "did you mean \"focal\"?", 7),
            ("", "'loss.gamma' = { uniform = [0.5, 4.0] }", "`loss.gamma`", "unknown key `loss.gamma`", 7),
            ("", "'train.epochs' = { uniform = [1.0, 3.0] }", "`train.epochs`", "it must be an integer", 7),
            ("", "seeds = { choice = [[0], [1]] }", "`seeds`", "it cannot be searched", 7),
            ("", "'select.name' = { choice = ['auc', 'loss'] }", "`select.name`", "cannot be compared", 7),
            ("folds = 1", "'net.dropout' = { uniform = [0.0, 0.5] }", "`objective.folds`", "it is 1, it must be", 5),
            ("fold = 1", "'net.dropout' = { uniform = [0.0, 0.5] }", "`objective.fold`", "there is no such key", 5),
            ("seeds = 'a'", "'net.dropout' = { uniform = [0.0, 0.5] }", "`objective.seeds`", "invalid type", 5),
            (
                "groups = { breastmnist = 'a.csv' }",
                "'net.dropout' = { uniform = [0.0, 0.5] }",
                "`objective.groups`",
                "it is for folds",
                5,
            ),
            ("seeds = 2\nfolds = 2", "x = { int = [0, 5] }", "`objective.folds`", "seeds or folds", 6),
        ];
        for (objective, space, key, says, line) in table {
            let message = check(&study(objective, space), BASE).unwrap_err().to_string();
            let place = format!("--> study.toml:{line}");
            assert!(
                message.contains(key) && message.contains(says) && message.contains(&place) && message.contains('^'),
                "{space}: {message}"
            );
        }
    }

    #[test]
    fn what_depends_on_the_clock_or_ends_too_late_is_refused() {
        let fine = study("", "'net.dropout' = { uniform = [0.0, 0.5] }");
        let message = check(&fine, &format!("{BASE}budget = '2min'\n")).unwrap_err().to_string();
        assert!(message.contains("`train.budget`") && message.contains("clock"), "{message}");
        let message = check(&fine, &format!("{BASE}[[phases]]\nepochs = 1\n")).unwrap_err().to_string();
        assert!(message.contains("`phases`") && message.contains("joint training"), "{message}");
        let late = format!("[pruner]\nname = 'asha'\nlast = 27\n{fine}");
        let message = check(&late, BASE).unwrap_err().to_string();
        assert!(message.contains("trials have 9 epochs") && message.contains("study.toml:3:8"), "{message}");
        let less = format!("direction = 'minimize'\n{fine}");
        assert!(check(&less, BASE).unwrap_err().to_string().contains("higher is better"));
        let without = fine.replace("base = 'x.toml'\n", "");
        assert!(check(&without, BASE).unwrap_err().to_string().contains("there is no base experiment"));
    }
}
