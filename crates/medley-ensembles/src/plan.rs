//! Which seeds of which runs are members of which task.

use std::path::Path;

use medley_core::record::DataRecord;
use medley_core::{Split, TaskSpec};
use medley_predictions::folds::{Complete, Recipe, are_folds, recipes};
use medley_predictions::{PredictionError, RunFiles};

use crate::EnsembleError;

/// A task, and the runs whose seeds are its members.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskPlan {
    /// Its data, the same in all these runs. Of folds, all rows of training and validation stand under validation.
    pub data: DataRecord,
    /// Places of the runs among those given; of folds, the first of each recipe.
    pub runs: Vec<usize>,
    /// The recipes whose folds are put together; empty where every run is a member by itself.
    pub recipes: Vec<Recipe>,
}

/// Puts runs together by task, in the order in which tasks first occur. Every run has to have a task that another one has, unless there is
/// one run, or runs are to be collected (`collect`). Runs of several folds have to be the folds of their recipes, as complete as is asked;
/// each recipe then stands for one run.
///
/// # Errors
/// [`EnsembleError::NoRuns`], [`EnsembleError::Twice`], [`EnsembleError::OtherData`], [`EnsembleError::Rows`],
/// [`EnsembleError::NothingInCommon`], [`PredictionError::NotPredicted`] of a run that is unfinished, and
/// [`PredictionError::Folds`] where folds do not fit.
pub fn plan(runs: &[RunFiles], collect: bool, complete: Complete) -> Result<Vec<TaskPlan>, EnsembleError> {
    if runs.is_empty() {
        return Err(EnsembleError::NoRuns);
    }
    for (index, run) in runs.iter().enumerate() {
        let root = run.layout.root();
        if runs[..index].iter().any(|other| same_folder(other.layout.root(), root)) {
            return Err(EnsembleError::Twice { run: root.to_owned() });
        }
        if run.results.is_none() {
            return Err(
                PredictionError::NotPredicted { run: root.to_owned(), split: Split::Val, unfinished: true }.into()
            );
        }
    }
    let recipes = if are_folds(runs) { recipes(runs, complete).map_err(PredictionError::from)? } else { Vec::new() };
    // What stands for a member: a run, or the first run of a recipe.
    let units: Vec<usize> = if recipes.is_empty() {
        (0..runs.len()).collect()
    } else {
        recipes.iter().map(|recipe| recipe.runs[0]).collect()
    };
    let mut plans: Vec<TaskPlan> = Vec::new();
    for &unit in &units {
        let recipe = recipes.iter().find(|recipe| recipe.runs[0] == unit);
        for data in runs[unit].data() {
            match plans.iter_mut().find(|plan| plan.data.task.name == data.task.name) {
                Some(plan) => {
                    let known = runs[plan.runs[0]].data().iter().find(|known| known.task.name == data.task.name);
                    check_same(&runs[plan.runs[0]], known.unwrap_or(&plan.data), &runs[unit], data)?;
                    plan.runs.push(unit);
                    plan.recipes.extend(recipe.cloned());
                }
                None => plans.push(TaskPlan {
                    data: if recipe.is_some() { of_all_rows(data) } else { data.clone() },
                    runs: vec![unit],
                    recipes: recipe.cloned().into_iter().collect(),
                }),
            }
        }
    }
    let shares = |index: &usize| plans.iter().any(|plan| plan.runs.len() > 1 && plan.runs.contains(index));
    match units.iter().find(|index| !shares(index)) {
        Some(&alone) if units.len() > 1 && !collect => {
            Err(EnsembleError::NothingInCommon { run: runs[alone].layout.root().to_owned() })
        }
        _ => Ok(plans),
    }
}

/// The data of a fold, with all rows of training and validation under validation: each was predicted by networks that had not seen it.
fn of_all_rows(data: &DataRecord) -> DataRecord {
    let mut all = data.clone();
    let train = all.rows.remove(&Split::Train).unwrap_or(0);
    all.rows.entry(Split::Val).and_modify(|rows| *rows += train);
    if let Some(train) = all.class_counts.remove(&Split::Train)
        && let Some(counts) = all.class_counts.get_mut(&Split::Val)
    {
        counts.iter_mut().zip(train).for_each(|(count, train)| *count += train);
    }
    all
}

/// Links and dots may lead to one folder by two names.
fn same_folder(one: &Path, other: &Path) -> bool {
    one == other || one.canonicalize().ok().is_some_and(|one| other.canonicalize().is_ok_and(|other| one == other))
}

fn check_same(first: &RunFiles, known: &DataRecord, other: &RunFiles, data: &DataRecord) -> Result<(), EnsembleError> {
    let task = || known.task.name.clone();
    let roots = || (first.layout.root().to_owned(), other.layout.root().to_owned());
    for split in [Split::Val, Split::Test] {
        if let (Some(&first_rows), Some(&other_rows)) = (known.rows.get(&split), data.rows.get(&split))
            && first_rows != other_rows
        {
            let (first, other) = roots();
            return Err(EnsembleError::Rows { task: task(), split, first, first_rows, other, other_rows });
        }
    }
    let read_alike = |one: &TaskSpec, two: &TaskSpec| one.kind == two.kind && one.classes == two.classes;
    let problem = known.difference(&data.sha256).or_else(|| {
        (!read_alike(&known.task, &data.task)).then(|| "they read it as tasks of other kinds or classes".to_owned())
    });
    problem.map_or(Ok(()), |problem| {
        let (first, other) = roots();
        Err(EnsembleError::OtherData { task: task(), first, other, problem })
    })
}
