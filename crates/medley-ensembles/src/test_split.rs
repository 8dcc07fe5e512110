//! The test split of an ensemble: predicted, recorded, opened, scored, submitted, in this order.

use std::collections::BTreeMap;

use medley_core::record::{PredictionRecord, Resampling, TestOpening};
use medley_core::text::hex;
use medley_core::{Origin, Scores, Split, TaskKind, TaskSpec};
use medley_decisions::ensemble::average;
use medley_decisions::record::TestMacroF1;
use medley_decisions::{Rule, macro_f1_of};
use medley_metrics::uncertainty::SetResamples;
use medley_metrics::{decide, evaluate, score_set};
use medley_predictions::MatchRequest;
use medley_predictions::matching::load_task;
use medley_predictions::result_file;
use medley_predictions::submission::{SubmissionOrder, TaskLabels, WrittenSubmission, write_labels};
use medley_storage::{ConfinedFolder, ConfinedFs, Storage, write_whole};
use sha2::{Digest as _, Sha256};

use crate::build::{DECISIONS, RECORD, as_printed, encode};
use crate::members::{file_name, gather};
use crate::{Built, EnsembleError, Source, TaskPlan};

/// One task, averaged and written, its labels still shut.
struct Pending {
    scores: Scores,
    /// Edge length of the images.
    size: usize,
    sha256: String,
    file: String,
}

/// Averages the test predictions of the members by the weights that validation gave them, writes them, records that test labels are about to
/// be opened, opens and scores them, and writes the submission, decided by the rules of the ensemble if it has any; `None` where no task has
/// one label per image. The scores are those of the plain rule; `decisions.json` has macro-F1 by both.
///
/// # Errors
/// When a member has not predicted the test split: nothing is written then. When labels cannot be opened or the disk fails: the record then
/// says what was opened.
pub fn open_test(
    built: &mut Built,
    sources: &[Source<'_>],
    now: &str,
    storage: &dyn Storage,
) -> Result<Option<WrittenSubmission>, EnsembleError> {
    let averages = members(built, sources)?;
    score(built, sources, averages, ("ensemble", now), storage)
}

/// [`open_test`] of predictions that are in no run folder: `predicted[i]` are those of the run `i` of `sources`, which has one seed, by task
/// in the order of its data. `by` is the subcommand that the record names.
///
/// # Errors
/// As [`open_test`].
pub fn open_test_of(
    built: &mut Built,
    sources: &[Source<'_>],
    predicted: &[Vec<Scores>],
    (by, now): (&str, &str),
    storage: &dyn Storage,
) -> Result<Option<WrittenSubmission>, EnsembleError> {
    let mut averages = Vec::new();
    for (plan, task) in built.plans.iter().zip(&built.record.tasks) {
        let of_run = |run: &usize| {
            let place = sources[*run].run.data().iter().position(|data| data.task.name == plan.data.task.name)?;
            predicted.get(*run)?.get(place).cloned()
        };
        let of_member = |runs: &[usize]| {
            let all: Option<Vec<Scores>> = runs.iter().map(of_run).collect();
            all.as_deref().and_then(Scores::mean)
        };
        let members: Option<Vec<Scores>> = if plan.recipes.is_empty() {
            plan.runs.iter().map(|run| of_member(&[*run])).collect()
        } else {
            plan.recipes.iter().map(|recipe| of_member(&recipe.runs)).collect()
        };
        let members = members.filter(|members| members.len() == task.weighed.weights.len());
        let members = members.ok_or_else(|| EnsembleError::Members { task: plan.data.task.name.clone() })?;
        let size = plan.data.task.shape.height;
        averages.push((as_printed(&average(&members, &task.weighed.weights)?)?, size));
    }
    score(built, sources, averages, (by, now), storage)
}

/// Writes the averages, records the opening, opens and scores.
fn score(
    built: &mut Built,
    sources: &[Source<'_>],
    averages: Vec<(Scores, usize)>,
    (by, now): (&str, &str),
    storage: &dyn Storage,
) -> Result<Option<WrittenSubmission>, EnsembleError> {
    let folder = ConfinedFolder::new(built.layout.root());
    let confined = ConfinedFs::new(folder.clone(), storage);
    let pending = write_pending(built, averages, &folder, &confined)?;
    let sha256 = pending.iter().zip(&built.plans).map(|(one, plan)| (plan.data.task.name.clone(), one.sha256.clone()));
    let opening = TestOpening {
        when: now.to_owned(),
        by: by.to_owned(),
        predictor: "ensemble".to_owned(),
        sha256: sha256.collect::<BTreeMap<_, _>>(),
    };
    // A process that was killed while it scored has opened them for the same predictions.
    if built.record.test_openings.last().is_none_or(|last| last.sha256 != opening.sha256) {
        built.record.test_openings.push(opening);
    }
    let record_path = built.layout.root().join(RECORD);
    write_whole(&confined, &record_path, &encode(&built.record)?)?;

    let (mut results, mut samples) = (Vec::new(), Vec::new());
    for (plan, one) in built.plans.iter().zip(&pending) {
        let path = built.layout.pending_predictions().join(&one.file);
        let (spec, truth) = (unsealed_spec(&plan.data.task), sources[plan.runs[0]].truth);
        let found = load_task(&path, &spec, one.size, Split::Test, &MatchRequest::of_run(Split::Test), truth)?;
        results.push(evaluate(&plan.data.task, Split::Test, found.sample.labels(), &one.scores)?);
        samples.push(found.sample);
    }
    let intervals = SetResamples::of(&samples, &Resampling::default()).intervals();
    for (result, one) in results.iter().zip(&pending) {
        let name = built.layout.name();
        let path = built.layout.prediction_file(&result.task, Split::Test, result.auc, result.accuracy, &name);
        write_whole(&confined, &path, &result_file::render(&one.scores))?;
        folder.remove(&built.layout.pending_predictions().join(&one.file))?;
        built.record.predictions.push(PredictionRecord {
            task: result.task.clone(),
            split: Split::Test,
            file: file_name(&path),
            sha256: one.sha256.clone(),
        });
    }
    folder.remove(&built.layout.pending_predictions()).ok();
    built.record.test = Some(medley_core::record::ScoreSet { intervals: Some(intervals), ..score_set(results) });
    write_whole(&confined, &record_path, &encode(&built.record)?)?;
    if let Some(decisions) = &mut built.decisions {
        for (task, sample) in decisions.tasks.iter_mut().zip(&samples) {
            let Some(scores) = sample.scores() else { continue };
            let of = |rule: &Rule| macro_f1_of(rule, sample.spec(), scores, sample.labels());
            task.test = Some(TestMacroF1 { plain: of(&Rule::PLAIN)?, with_rule: of(&task.predictor.rule)? });
        }
        write_whole(&confined, &built.layout.root().join(DECISIONS), &encode(decisions)?)?;
    }
    submit(built, &pending, storage)
}

/// The test predictions of the members of each task, and what `ensemble.json` will say of their files.
fn members(built: &mut Built, sources: &[Source<'_>]) -> Result<Vec<(Scores, usize)>, EnsembleError> {
    let mut averages = Vec::new();
    let mut tasks = built.record.tasks.clone();
    for (plan, task) in built.plans.iter().zip(&mut tasks) {
        let gathered = gather(sources, plan, Split::Test)?;
        for (member, found) in task.members.iter_mut().zip(gathered.members) {
            member.files.extend(found.files);
        }
        averages.push((as_printed(&average(&gathered.scores, &task.weighed.weights)?)?, gathered.size));
    }
    built.record.tasks = tasks;
    Ok(averages)
}

fn write_pending(
    built: &Built,
    averages: Vec<(Scores, usize)>,
    folder: &ConfinedFolder,
    storage: &dyn Storage,
) -> Result<Vec<Pending>, EnsembleError> {
    folder.create_folder(&built.layout.pending_predictions())?;
    let mut pending = Vec::with_capacity(averages.len());
    for (plan, (scores, size)) in built.plans.iter().zip(averages) {
        let file = format!("{}_{}@{}.csv", plan.data.task.name, Split::Test, built.layout.name());
        let bytes = result_file::render(&scores);
        write_whole(storage, &built.layout.pending_predictions().join(&file), &bytes)?;
        pending.push(Pending { scores, size, sha256: hex(&Sha256::digest(&bytes)), file });
    }
    Ok(pending)
}

/// Whether labels are synthetic is for their own file to say.
fn unsealed_spec(spec: &TaskSpec) -> TaskSpec {
    let origin = if spec.origin == Origin::Synthetic { Origin::Official } else { spec.origin };
    TaskSpec { origin, ..spec.clone() }
}

fn submit(
    built: &Built,
    pending: &[Pending],
    storage: &dyn Storage,
) -> Result<Option<WrittenSubmission>, EnsembleError> {
    let one_label = |(plan, _): &(&TaskPlan, &Pending)| plan.data.task.kind != TaskKind::MultiLabel;
    let mut labels = Vec::new();
    for (plan, one) in built.plans.iter().zip(pending).filter(one_label) {
        let task = plan.data.task.name.clone();
        let decision = built.decisions.as_ref().and_then(|decisions| decisions.decide_by.of(&task));
        let decided = match decision {
            Some(decision) => decision.apply(&one.scores)?,
            None => decide(plan.data.task.kind, &one.scores),
        };
        labels.push(TaskLabels { task, labels: decided });
    }
    if labels.is_empty() {
        return Ok(None);
    }
    let specs: Vec<&TaskSpec> = built.plans.iter().map(|plan| &plan.data.task).collect();
    Ok(Some(write_labels(&built.layout, &specs, &labels, &SubmissionOrder::Competition, storage)?))
}
