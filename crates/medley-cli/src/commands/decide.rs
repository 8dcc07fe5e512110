//! `medley decide`: rules for the decisions of a run.

mod table;

use std::process::ExitCode;

use medley_core::record::{DataRecord, SCHEMA_VERSION};
use medley_core::{Labels, RunLayout, Scores, Split};
use medley_decisions::record::{DecisionRecord, SeedDecisions, TaskDecisions, TestMacroF1};
use medley_decisions::{Decisions, FitOptions, Rule, fit, macro_f1_of};
use medley_metrics::scorecard::Prediction;
use medley_predictions::matching::{load, load_predictor};
use medley_predictions::{MatchRequest, RunFiles, SeedPredictions, of_seeds};
use medley_storage::{ConfinedFolder, ConfinedFs, RealFs, write_whole};

pub(super) use self::table::interval;
use super::score::DataTruth;
use crate::args::decide::DecideArguments;
use crate::output;

pub(crate) fn run(arguments: &DecideArguments) -> anyhow::Result<ExitCode> {
    let run = RunFiles::read(&RunLayout::new(&arguments.run))?;
    let truth = DataTruth::of(&arguments.run, &arguments.data);
    let options = arguments.fitting.options();
    let (mut tasks, mut decide_by) = (Vec::new(), Decisions::default());
    for data in run.data() {
        let task = of_task(&run, data, &truth, &options)?;
        decide_by.insert(data.task.name.clone(), task.predictor.decision(&data.task)?);
        tasks.push(task);
    }
    if run.results.as_ref().is_some_and(medley_core::record::RunResults::is_tested) {
        add_test(&run, &truth, &mut tasks)?;
    }
    let run_name = run.manifest.run.clone();
    let decisions = DecisionRecord { schema_version: SCHEMA_VERSION, run: run_name, decide_by, options, tasks };
    if arguments.write {
        let path = run.layout.decisions();
        let storage = ConfinedFs::new(ConfinedFolder::new(run.layout.root()), &RealFs);
        write_whole(&storage, &path, &serde_json::to_vec_pretty(&decisions)?)?;
        output::note(&format!("written: `{}`", path.display()));
    }
    if arguments.json {
        output::json(&decisions)?;
    } else {
        output::line(&table::text(&decisions, run.is_synthetic()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn of_task(
    run: &RunFiles,
    data: &DataRecord,
    truth: &DataTruth,
    options: &FitOptions,
) -> anyhow::Result<TaskDecisions> {
    let seeds = of_seeds(run, data, Split::Val)?;
    let labels = validation_labels(&seeds, truth)?;
    let counts = data.class_counts.get(&Split::Train).map(Vec::as_slice);
    let fitted = |scores: &Scores| fit(&data.task, scores, &labels, counts, options);
    let all: Vec<Scores> = seeds.iter().map(|seed| seed.scores.clone()).collect();
    let mean = Scores::mean(&all).ok_or_else(|| anyhow::anyhow!("the seeds do not predict the same rows"))?;
    let mut alone = Vec::new();
    if seeds.len() > 1 {
        for seed in &seeds {
            let (sha256, fitted) = (seed.sha256.clone(), fitted(&seed.scores)?);
            alone.push(SeedDecisions { seed: seed.seed, sha256, fitted });
        }
    }
    let (task, kind) = (data.task.name.clone(), data.task.kind);
    Ok(TaskDecisions { task, kind, predictor: fitted(&mean)?, seeds: alone, test: None })
}

/// The labels of the validation split, by the file of one seed: it is matched with the very data file of the run.
fn validation_labels(seeds: &[SeedPredictions], truth: &DataTruth) -> anyhow::Result<Labels> {
    let mut found = Vec::new();
    if let Some(seed) = seeds.first() {
        found = load(&seed.path, &MatchRequest::of_run(Split::Val), truth)?;
    }
    let first = found.first().ok_or_else(|| anyhow::anyhow!("the run has no seed"))?;
    Ok(first.sample.labels().clone())
}

/// What the accepted rules do on the test split, which this run has opened for the same predictions.
fn add_test(run: &RunFiles, truth: &DataTruth, tasks: &mut [TaskDecisions]) -> anyhow::Result<()> {
    let predictions = load_predictor(run.layout.root(), &MatchRequest::of_run(Split::Test), truth)?;
    for task in tasks {
        let of_task = |prediction: &&Prediction| prediction.sample.spec().name == task.task;
        let Some(sample) = predictions.iter().find(of_task).map(|prediction| &prediction.sample) else { continue };
        let Some(scores) = sample.scores() else { continue };
        let of = |rule: &Rule| macro_f1_of(rule, sample.spec(), scores, sample.labels());
        task.test = Some(TestMacroF1 { plain: of(&Rule::PLAIN)?, with_rule: of(&task.predictor.rule)? });
    }
    Ok(())
}
