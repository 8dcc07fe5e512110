//! The runs of all folds of a recipe, taken as one predictor.
//!
//! `medley train --all-folds` leaves a run for each fold. Each has predicted the rows that it was not trained on, so that together they have
//! predicted every row of training and validation once for each way of splitting: out-of-fold predictions. Where there are several ways
//! (`folds.repeat`), the predictions of a row are averaged. Of the test split each run has predicted all, and the mean over the runs is
//! what the recipe says (bagging).
//!
//! - [`recipes`]: which runs belong together, and whether all folds are there and fit.
//! - [`out_of_fold`], [`bagged`]: their predictions. No label is opened.
//! - [`OutOfFold::labels`]: the labels of those rows, in the same order.

mod error;
mod pool;

use std::collections::BTreeMap;

use medley_core::TaskSpec;
use medley_core::message::shortened;
use medley_core::record::FoldsRecord;
use medley_storage::ConfinedFolder;

pub use error::FoldsError;
pub use pool::{OutOfFold, PooledFile, PooledSeed, bagged, out_of_fold, rows_of};

use crate::RunFiles;

/// Largest `config.toml` that is read.
const CONFIG: u64 = 1 << 20;

/// Which folds of a recipe have to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Complete {
    /// All of every way of splitting, and the same ways of splitting of all recipes.
    EveryRepeat,
    /// All of the first way of splitting. Of others some are enough: the rows of a fold more have a prediction more to average.
    FirstRepeat,
}

/// All folds of one recipe, for each way of splitting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    /// What the names of its runs begin with.
    pub name: String,
    /// Places of its runs among those given, by repeat and then by fold.
    pub runs: Vec<usize>,
    /// Folds of each way of splitting.
    pub count: usize,
}

/// Whether runs are to be taken as folds: at least one has folds, and not all are validated on the same one. Runs of one fold have rows in
/// common, as runs without folds do.
pub fn are_folds(runs: &[RunFiles]) -> bool {
    let folds: Vec<Option<&FoldsRecord>> = runs.iter().map(|run| run.manifest.folds.as_ref()).collect();
    folds.iter().any(Option::is_some) && folds.iter().any(|other| *other != folds[0])
}

/// Puts runs together by recipe: by their configs, but for the number of the fold and of the repeat, and the name. Recipes come in the order
/// of their first run. All have to be of the same folds of the same data, and as complete as is asked.
///
/// # Errors
/// [`FoldsError`], which names the runs that do not fit, or the fold that is missing.
pub fn recipes(runs: &[RunFiles], wanted: Complete) -> Result<Vec<Recipe>, FoldsError> {
    for run in runs {
        let Some(folds) = &run.manifest.folds else {
            return Err(FoldsError::Unfolded { run: run.layout.root().to_owned() });
        };
        check_alike(&runs[0], run)?;
        if folds.index >= folds.count || folds.count < 2 {
            let problem = format!("manifest.json says that it is fold {} of {}", folds.index, folds.count);
            return Err(FoldsError::Damaged { run: run.layout.root().to_owned(), problem });
        }
    }
    let mut by_config: Vec<(toml::Table, Vec<usize>)> = Vec::new();
    for (index, run) in runs.iter().enumerate() {
        let config = recipe_of(run)?;
        match by_config.iter_mut().find(|(known, _)| *known == config) {
            Some((_, members)) => members.push(index),
            None => by_config.push((config, vec![index])),
        }
    }
    let recipes: Vec<Recipe> =
        by_config.into_iter().map(|(_, members)| complete(runs, members, wanted)).collect::<Result<_, _>>()?;
    let repeats = |recipe: &Recipe| {
        let of = |&run: &usize| runs[run].manifest.folds.as_ref().map(|folds| folds.repeat);
        recipe.runs.iter().filter_map(of).collect::<Vec<u64>>()
    };
    // What has to be alike: of which ways of splitting there are folds, or which is the first.
    let compared = |recipe: &Recipe| match wanted {
        Complete::EveryRepeat => repeats(recipe),
        Complete::FirstRepeat => repeats(recipe).into_iter().take(1).collect(),
    };
    match recipes.iter().find(|recipe| compared(recipe) != compared(&recipes[0])) {
        Some(other) => Err(FoldsError::Splits {
            first: runs[recipes[0].runs[0]].layout.root().to_owned(),
            other: runs[other.runs[0]].layout.root().to_owned(),
            problem: "their recipes have other values of `folds.repeat`".to_owned(),
        }),
        None => Ok(recipes),
    }
}

/// What is trained, and not on which fold. Seeds belong to it.
fn recipe_of(run: &RunFiles) -> Result<toml::Table, FoldsError> {
    let bad = |problem: String| FoldsError::Damaged { run: run.layout.root().to_owned(), problem };
    let text = ConfinedFolder::new(run.layout.root()).read_text(&run.layout.config(), CONFIG);
    let text = text.map_err(|error| bad(error.to_string()))?;
    let parsed: Result<toml::Table, toml::de::Error> = text.parse();
    let mut config = parsed.map_err(|error| bad(format!("config.toml: {}", shortened(error.message()))))?;
    config.remove("name");
    if let Some(folds) = config.get_mut("folds").and_then(toml::Value::as_table_mut) {
        folds.remove("index");
        folds.remove("repeat");
    }
    Ok(config)
}

/// Split alike, and made of the same files.
fn check_alike(first: &RunFiles, run: &RunFiles) -> Result<(), FoldsError> {
    let split = |run: &RunFiles| {
        let FoldsRecord { count, groups, .. } = run.manifest.folds.clone().unwrap_or_else(|| FoldsRecord {
            count: 0,
            index: 0,
            repeat: 0,
            groups: BTreeMap::new(),
        });
        (count, groups)
    };
    let roots = || (first.layout.root().to_owned(), run.layout.root().to_owned());
    let ((count, groups), (other_count, other_groups)) = (split(first), split(run));
    if count != other_count || groups != other_groups {
        let problem = if count == other_count {
            "their files of groups differ".to_owned()
        } else {
            format!("they have {count} and {other_count} folds")
        };
        let (first, other) = roots();
        return Err(FoldsError::Splits { first, other, problem });
    }
    let read_alike = |one: &TaskSpec, two: &TaskSpec| one.kind == two.kind && one.classes == two.classes;
    for data in run.data() {
        let Some(known) = first.data().iter().find(|known| known.task.name == data.task.name) else { continue };
        let problem = known.difference(&data.sha256).or_else(|| {
            (!read_alike(&known.task, &data.task)).then(|| "they read it as tasks of other kinds or classes".to_owned())
        });
        if let Some(problem) = problem {
            let (first, other) = roots();
            return Err(FoldsError::Data { task: data.task.name.clone(), first, other, problem });
        }
    }
    Ok(())
}

/// A recipe whose folds are all there, once each, or those of its first way of splitting.
fn complete(runs: &[RunFiles], members: Vec<usize>, wanted: Complete) -> Result<Recipe, FoldsError> {
    let root = |run: usize| runs[run].layout.root().to_owned();
    let mut places: BTreeMap<(u64, usize), usize> = BTreeMap::new();
    let mut count = 0;
    for &run in &members {
        let Some(folds) = &runs[run].manifest.folds else { continue };
        count = folds.count;
        if let Some(first) = places.insert((folds.repeat, folds.index), run) {
            let (fold, repeat) = (folds.index, folds.repeat);
            return Err(FoldsError::Twice { fold, repeat, first: root(first), other: root(run) });
        }
    }
    let mut repeats: Vec<u64> = places.keys().map(|place| place.0).collect();
    if wanted == Complete::FirstRepeat {
        repeats.truncate(1);
    }
    for repeat in repeats {
        if let Some(fold) = (0..count).find(|&fold| !places.contains_key(&(repeat, fold))) {
            return Err(FoldsError::Missing { run: root(members[0]), fold, repeat, count });
        }
    }
    let runs_in_order: Vec<usize> = places.into_values().collect();
    let name = common_name(&runs_in_order.iter().map(|&run| runs[run].layout.name()).collect::<Vec<_>>());
    Ok(Recipe { name, runs: runs_in_order, count })
}

/// `cv` of `cv-fold0` and `cv-fold1`; the first name where they have no beginning in common.
fn common_name(names: &[String]) -> String {
    let Some(first) = names.first() else { return String::new() };
    let shared = |other: &String| first.chars().zip(other.chars()).take_while(|(a, b)| a == b).count();
    let length = names.iter().map(shared).min().unwrap_or(0);
    let start: String = first.chars().take(length).collect();
    let start = start.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '-' | '_' | '.'));
    let start = start.strip_suffix("fold").unwrap_or(start).trim_end_matches(['-', '_', '.']);
    if start.is_empty() { first.clone() } else { start.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_folds_have_a_beginning_in_common() {
        let common = |names: &[&str]| common_name(&names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>());
        assert_eq!(common(&["cv-fold0", "cv-fold1", "cv-fold10"]), "cv");
        assert_eq!(common(&["a-1", "a-2"]), "a");
        assert_eq!(common(&["x", "y"]), "x");
        assert_eq!(common(&["fold0", "fold1"]), "fold0");
        assert_eq!(common(&[]), "");
    }
}
