//! Which seeds of which runs are members of which task.

use std::path::Path;

use medley_core::record::DataRecord;
use medley_core::{Split, TaskSpec};
use medley_predictions::{PredictionError, RunFiles};

use crate::EnsembleError;

/// A task, and the runs whose seeds are its members.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskPlan {
    /// Its data, the same in all these runs.
    pub data: DataRecord,
    /// Places of the runs among those given, ascending.
    pub runs: Vec<usize>,
}

/// Puts runs together by task, in the order in which tasks first occur. Every run has to have a task that another one has, unless there is
/// one run, or runs are to be collected (`collect`).
///
/// # Errors
/// [`EnsembleError::NoRuns`], [`EnsembleError::Twice`], [`EnsembleError::OtherData`], [`EnsembleError::Folds`], [`EnsembleError::Rows`],
/// [`EnsembleError::NothingInCommon`], and [`PredictionError::NotPredicted`] of a run that is unfinished.
pub fn plan(runs: &[RunFiles], collect: bool) -> Result<Vec<TaskPlan>, EnsembleError> {
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
    let mut plans: Vec<TaskPlan> = Vec::new();
    for (index, run) in runs.iter().enumerate() {
        for data in run.data() {
            match plans.iter_mut().find(|plan| plan.data.task.name == data.task.name) {
                Some(plan) => {
                    check_same(&runs[plan.runs[0]], &plan.data, run, data)?;
                    plan.runs.push(index);
                }
                None => plans.push(TaskPlan { data: data.clone(), runs: vec![index] }),
            }
        }
    }
    let shares = |index: &usize| plans.iter().any(|plan| plan.runs.len() > 1 && plan.runs.contains(index));
    match (0..runs.len()).find(|index| !shares(index)) {
        Some(alone) if runs.len() > 1 && !collect => {
            Err(EnsembleError::NothingInCommon { run: runs[alone].layout.root().to_owned() })
        }
        _ => Ok(plans),
    }
}

/// Links and dots may lead to one folder by two names.
fn same_folder(one: &Path, other: &Path) -> bool {
    one == other || one.canonicalize().ok().is_some_and(|one| other.canonicalize().is_ok_and(|other| one == other))
}

fn check_same(first: &RunFiles, known: &DataRecord, other: &RunFiles, data: &DataRecord) -> Result<(), EnsembleError> {
    let task = || known.task.name.clone();
    let roots = || (first.layout.root().to_owned(), other.layout.root().to_owned());
    // Before the numbers of rows, which differ as the folds do.
    if first.manifest.folds != other.manifest.folds {
        let (first, other) = roots();
        return Err(EnsembleError::Folds { task: task(), first, other });
    }
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
