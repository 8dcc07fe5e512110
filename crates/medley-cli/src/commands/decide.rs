//! `medley decide`: rules for the decisions of a run.

mod table;

use std::process::ExitCode;

use medley_core::record::{DataRecord, SCHEMA_VERSION};
use medley_core::{Labels, RunLayout, Scores, Split};
use medley_decisions::curves::curves;
use medley_decisions::record::{DecisionRecord, SeedDecisions, TaskDecisions, TestMacroF1};
use medley_decisions::{Decisions, FitOptions, Rows, Rule, fit, macro_f1_of};
use medley_metrics::scorecard::Prediction;
use medley_predictions::folds::{Complete, PooledFile, Recipe, are_folds, out_of_fold, recipes};
use medley_predictions::matching::{load, load_predictor};
use medley_predictions::{MatchRequest, PredictionError, RunFiles, SeedPredictions, TruthSource, of_seeds};
use medley_storage::{ConfinedFolder, ConfinedFs, RealFs, write_whole};

pub(super) use self::table::{interval, rules, temperatures};
use super::score::DataTruth;
use crate::args::decide::DecideArguments;
use crate::failure::Usage;
use crate::output;

pub(crate) fn run(arguments: &DecideArguments) -> anyhow::Result<ExitCode> {
    let mut runs = Vec::new();
    let mut truths = Vec::new();
    for path in &arguments.runs {
        runs.push(RunFiles::read(&RunLayout::new(path))?);
        truths.push(DataTruth::of(path, &arguments.data));
    }
    let recipe = recipe(&runs, arguments)?;
    let first = recipe.as_ref().map_or(0, |recipe| recipe.runs[0]);
    let options = arguments.fitting.options();
    let (mut tasks, mut decide_by) = (Vec::new(), Decisions::default());
    for data in runs[first].data() {
        let evidence = match &recipe {
            Some(recipe) => Evidence::of_folds(&runs, recipe, data, &truths)?,
            None => Evidence::of_run(&runs[0], data, &truths[0])?,
        };
        let task = evidence.decide(data, &options)?;
        decide_by.insert(data.task.name.clone(), task.predictor.decision(&data.task)?);
        tasks.push(task);
    }
    if recipe.is_none() && runs[0].results.as_ref().is_some_and(medley_core::record::RunResults::is_tested) {
        add_test(&runs[0], &truths[0], &mut tasks)?;
    }
    let name = recipe.as_ref().map_or_else(|| runs[0].manifest.run.clone(), |recipe| recipe.name.clone());
    let decisions = DecisionRecord { schema_version: SCHEMA_VERSION, run: name, decide_by, options, tasks };
    if arguments.write {
        let path = runs[0].layout.decisions();
        let storage = ConfinedFs::new(ConfinedFolder::new(runs[0].layout.root()), &RealFs);
        write_whole(&storage, &path, &serde_json::to_vec_pretty(&decisions)?)?;
        output::note(&format!("written: `{}`", path.display()));
    }
    if arguments.json {
        output::json(&decisions)?;
    } else {
        let folds = recipe.as_ref().map(|recipe| (recipe.count, recipe.runs.len() / recipe.count));
        output::line(&table::text(&decisions, runs.iter().any(RunFiles::is_synthetic), folds))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The recipe whose folds the runs are; `None` of one run.
fn recipe(runs: &[RunFiles], arguments: &DecideArguments) -> anyhow::Result<Option<Recipe>> {
    if runs.len() == 1 {
        return Ok(None);
    }
    let together = "`medley ensemble RUN… --decide` puts several runs together and decides for them";
    if !are_folds(runs) {
        let problem = format!("rules are fitted for one run, or for all folds of one recipe; {together}");
        return Err(Usage(problem).into());
    }
    let unfinished = runs.iter().find(|run| run.results.is_none());
    if let Some(run) = unfinished {
        let run = run.layout.root().to_owned();
        return Err(PredictionError::NotPredicted { run, split: Split::Val, unfinished: true }.into());
    }
    let mut recipes = recipes(runs, Complete::EveryRepeat).map_err(PredictionError::from)?;
    if recipes.len() > 1 {
        let names: Vec<String> = recipes.iter().map(|recipe| format!("`{}`", recipe.name)).collect();
        let problem =
            format!("the folds are of {} recipes ({}); name those of one: {together}", names.len(), names.join(", "));
        return Err(Usage(problem).into());
    }
    if arguments.write {
        let problem = format!(
            "--write: the rules are for the mean of the folds, which has no folder of its own; {together}, and writes them"
        );
        return Err(Usage(problem).into());
    }
    Ok(recipes.pop())
}

/// What rules of a task are fitted on.
struct Evidence {
    labels: Labels,
    /// The folds of training that rows were in; `None` of one run.
    folds: Option<Vec<usize>>,
    /// Of each seed: its number, the SHA-256 of its files, its probabilities.
    seeds: Vec<(u64, Vec<String>, Scores)>,
    /// How often each class is true in training; `None` where these rows say it.
    counts: Option<Vec<u64>>,
}

impl Evidence {
    fn of_run(run: &RunFiles, data: &DataRecord, truth: &DataTruth) -> anyhow::Result<Self> {
        let seeds = of_seeds(run, data, Split::Val)?;
        let labels = validation_labels(&seeds, truth)?;
        let seeds = seeds.into_iter().map(|seed| (seed.seed, vec![seed.sha256], seed.scores)).collect();
        Ok(Self { labels, folds: None, seeds, counts: data.class_counts.get(&Split::Train).cloned() })
    }

    fn of_folds(runs: &[RunFiles], recipe: &Recipe, data: &DataRecord, truths: &[DataTruth]) -> anyhow::Result<Self> {
        let pool = out_of_fold(runs, recipe, &data.task.name)?;
        let truths: Vec<&dyn TruthSource> = truths.iter().map(|truth| truth as &dyn TruthSource).collect();
        let labels = pool.labels(&truths)?;
        let hashes = |files: Vec<PooledFile>| files.into_iter().map(|file| file.sha256).collect();
        let seeds = pool.seeds.into_iter().map(|seed| (seed.seed, hashes(seed.files), seed.scores)).collect();
        Ok(Self { labels, folds: Some(pool.folds), seeds, counts: None })
    }

    fn decide(self, data: &DataRecord, options: &FitOptions) -> anyhow::Result<TaskDecisions> {
        let rows = Rows::new(&data.task, &self.labels);
        let rows = self.folds.as_deref().map_or(rows, |folds| rows.in_folds(folds));
        let fitted = |scores: &Scores| fit(&rows, scores, self.counts.as_deref(), options);
        let all: Vec<Scores> = self.seeds.iter().map(|(.., scores)| scores.clone()).collect();
        let mean = Scores::mean(&all).ok_or_else(|| anyhow::anyhow!("the seeds do not predict the same rows"))?;
        let mut alone = Vec::new();
        if all.len() > 1 {
            for (seed, sha256, scores) in &self.seeds {
                alone.push(SeedDecisions { seed: *seed, sha256: sha256.clone(), fitted: fitted(scores)? });
            }
        }
        let (task, kind) = (data.task.name.clone(), data.task.kind);
        let curves = curves(kind, &mean, &self.labels);
        Ok(TaskDecisions { task, kind, predictor: fitted(&mean)?, curves, seeds: alone, test: None })
    }
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
