//! Writing the submission of a run.
//!
//! Labels come from the run's own test predictions: the ensemble of all seeds, or the only seed. Before anything is written,
//! every task has as many rows as its data file, every label is a class of it, and the labels are counted against
//! `results.json`: what is submitted is what was scored, or nothing.

use std::path::{Path, PathBuf};

use medley_core::{COMPETITION_TASKS, Origin, RunLayout, Scores, TaskKind, TaskSpec};
use medley_storage::{ConfinedFolder, ConfinedFs, Storage, write_whole};

use super::order::{self, Row};
use super::{SubmissionError, of_run};
use crate::RunFiles;

/// Rows of a submission of the eleven tasks: their test images in the files of MedMNIST 2.0 to 2.2.3, which the competition
/// uses.
pub const COMPETITION_ROWS: usize = 96_941;

/// In which order the rows stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum SubmissionOrder {
    /// That of [`COMPETITION_TASKS`]; tasks outside the competition follow in the order of the run.
    #[default]
    Competition,
    /// By task name.
    Alphabetical,
    /// That of a sample submission, row by row, with its ids.
    Like(PathBuf),
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WrittenSubmission {
    /// The file: `submission.csv`, or `submission.SYNTHETIC.csv` when any data is synthetic.
    pub path: PathBuf,
    /// Rows, without the header.
    pub rows: usize,
    /// What the user should know, one sentence each.
    pub remarks: Vec<String>,
}

/// The labels of one task, in the order of its test split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskLabels {
    /// Task name.
    pub task: String,
    /// One class index per image.
    pub labels: Vec<u16>,
}

/// Decides the labels of a task, a class index for each image of its test split, from the probabilities of the predictor; `None` leaves
/// them to the official rule. What it says against the probabilities is an error of the file that they are from.
pub type LabelRule<'a> = dyn Fn(&TaskSpec, &Scores) -> Result<Option<Vec<u16>>, String> + 'a;

/// Writes the submission of a finished run, replacing an older one: the file is whole or absent. Labels are decided by the official rule.
/// Multi-label tasks have no single label per image and are left out, with a remark.
///
/// # Errors
/// [`SubmissionError::Unfinished`], [`SubmissionError::Untested`], [`SubmissionError::NothingToSubmit`], and whatever is wrong with the run folder, its predictions
/// or the sample. Then nothing is written.
pub fn write_submission(
    run: &RunLayout,
    order: &SubmissionOrder,
    storage: &dyn Storage,
) -> Result<WrittenSubmission, SubmissionError> {
    write_submission_by(run, &|_, _| Ok(None), order, storage)
}

/// As [`write_submission`], with labels by rules of the run's own.
///
/// # Errors
/// As [`write_submission`], and where a rule does not fit the probabilities.
pub fn write_submission_by(
    run: &RunLayout,
    rule: &LabelRule<'_>,
    order: &SubmissionOrder,
    storage: &dyn Storage,
) -> Result<WrittenSubmission, SubmissionError> {
    let record = RunFiles::read(run)?;
    if record.results.as_ref().is_some_and(|results| !results.is_tested()) {
        return Err(SubmissionError::Untested { run: run.root().to_owned() });
    }
    if record.results.is_none() {
        return Err(SubmissionError::Unfinished { run: run.root().to_owned() });
    }
    let mut remarks = Vec::new();
    let tasks = labels(&record, rule, &mut remarks)?;
    if tasks.is_empty() {
        return Err(SubmissionError::NothingToSubmit { run: run.root().to_owned() });
    }
    let folder = Submitted { root: run.root(), specs: record.data().iter().map(|data| &data.task).collect() };
    folder.write(&tasks, record.is_synthetic(), order, remarks, storage)
}

/// Writes a submission of labels that were decided elsewhere, such as those of an ensemble of several runs, into the folder of their
/// predictions. `specs` are their tasks, in their order; tasks with several labels per image have no place in it.
///
/// # Errors
/// [`SubmissionError::NothingToSubmit`], and whatever is wrong with the sample. Then nothing is written.
pub fn write_labels(
    folder: &RunLayout,
    specs: &[&TaskSpec],
    tasks: &[TaskLabels],
    order: &SubmissionOrder,
    storage: &dyn Storage,
) -> Result<WrittenSubmission, SubmissionError> {
    if tasks.is_empty() {
        return Err(SubmissionError::NothingToSubmit { run: folder.root().to_owned() });
    }
    let synthetic = specs.iter().any(|spec| spec.origin == Origin::Synthetic);
    let submitted = Submitted { root: folder.root(), specs: specs.to_vec() };
    submitted.write(tasks, synthetic, order, Vec::new(), storage)
}

/// The folder that a submission goes to, and the tasks of what is submitted.
struct Submitted<'a> {
    root: &'a Path,
    specs: Vec<&'a TaskSpec>,
}

impl Submitted<'_> {
    fn write(
        &self,
        tasks: &[TaskLabels],
        synthetic: bool,
        order: &SubmissionOrder,
        mut remarks: Vec<String>,
        storage: &dyn Storage,
    ) -> Result<WrittenSubmission, SubmissionError> {
        let rows = match order {
            SubmissionOrder::Competition => order::by_task(tasks, &|name| {
                (COMPETITION_TASKS.iter().position(|task| *task == name).unwrap_or(usize::MAX), "")
            }),
            SubmissionOrder::Alphabetical => order::by_task(tasks, &|name| (0, name)),
            SubmissionOrder::Like(sample) => order::like(tasks, sample, &mut remarks)?,
        };
        self.remark_on_size(tasks, rows.len(), &mut remarks);
        let path = RunLayout::new(self.root).submission(synthetic);
        write_whole(&ConfinedFs::new(ConfinedFolder::new(self.root), storage), &path, render(&rows).as_bytes())?;
        Ok(WrittenSubmission { path, rows: rows.len(), remarks })
    }

    /// The eleven tasks with another number of rows than the competition's are most likely files of the other generation.
    fn remark_on_size(&self, tasks: &[TaskLabels], rows: usize, remarks: &mut Vec<String>) {
        let complete = COMPETITION_TASKS.iter().all(|name| tasks.iter().any(|task| task.task == *name));
        let official = self.specs.iter().all(|spec| spec.origin == Origin::Official);
        if complete && official && tasks.len() == COMPETITION_TASKS.len() && rows != COMPETITION_ROWS {
            remarks.push(format!(
                "{rows} rows, but the competition expects {COMPETITION_ROWS}: its organ files are those of MedMNIST 2.0 to 2.2.3"
            ));
        }
    }
}

fn labels(run: &RunFiles, rule: &LabelRule<'_>, remarks: &mut Vec<String>) -> Result<Vec<TaskLabels>, SubmissionError> {
    let mut all = Vec::new();
    for (index, data) in run.data().iter().enumerate() {
        if data.task.kind == TaskKind::MultiLabel {
            remarks.push(format!("{} has several labels per image and is left out", data.task.title));
        } else {
            all.push(TaskLabels { task: data.task.name.clone(), labels: of_run::labels(run, index, rule)? });
        }
    }
    Ok(all)
}

fn render(rows: &[Row<'_>]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::with_capacity(rows.len() * 28 + 64));
    // Writing to memory, with equal lengths, cannot fail.
    let _ = writer.write_record(["id", "id_image_in_task", "task_name", "label"]);
    for row in rows {
        let (image, label) = (row.image.to_string(), row.label.to_string());
        let _ = writer.write_record([row.id.as_ref(), &image, row.task, &label]);
    }
    String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
}
