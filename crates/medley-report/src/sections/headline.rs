use askama::Template;
use medley_core::Split;

use super::Section;
use crate::format::{self, MEAN_DECIMALS, NONE, TASK_DECIMALS};
use crate::published::Official;
use crate::{Fragment, RunRecord, facts};
use medley_core::record::Interval;

/// The number, and the table of tasks under it.
pub(super) struct Headline;

impl Section for Headline {
    fn id(&self) -> &'static str {
        "result"
    }

    fn title(&self) -> &'static str {
        "Result"
    }

    fn render(&self, run: &RunRecord) -> Result<Option<Fragment>, askama::Error> {
        let fragment =
            if run.results.is_some() { Fragment::render(&finished(run))? } else { Fragment::render(&unfinished(run))? };
        Ok(Some(fragment))
    }
}

#[derive(Template)]
#[template(path = "headline.html")]
struct HeadlineTemplate {
    cards: Vec<Card>,
    /// What the first number is.
    measure: String,
    /// Whether there are several tasks to take a mean of.
    several: bool,
    seeds: usize,
    intervals: String,
    ensemble: bool,
    official: Option<&'static str>,
    rows: Vec<Row>,
    total: Row,
}

/// One large number.
struct Card {
    title: String,
    value: String,
    deviation: Option<String>,
    interval: String,
    says: String,
}

/// A line of the table.
struct Row {
    task: String,
    images: String,
    auc: Cell,
    accuracy: Cell,
    macro_f1: Cell,
    ensemble_auc: Cell,
    ensemble_accuracy: Cell,
    ensemble_macro_f1: Cell,
    official_auc: String,
    official_accuracy: String,
    weight: String,
}

/// A value with its interval under it.
struct Cell {
    value: String,
    interval: String,
}

impl Cell {
    fn new(value: String, interval: Option<&Interval>, decimals: usize) -> Self {
        Self {
            value,
            interval: interval.map_or_else(String::new, |interval| format::interval(Some(interval), decimals)),
        }
    }
}

fn finished(run: &RunRecord) -> HeadlineTemplate {
    let seeds = run.results.as_ref().map_or(0, |results| results.seeds.len());
    let ensemble = run.results.as_ref().and_then(|results| results.ensemble.as_ref());
    HeadlineTemplate {
        cards: cards(run, seeds),
        measure: facts::measure(run),
        several: run.data().len() > 1,
        seeds,
        intervals: facts::intervals(run),
        ensemble: ensemble.is_some(),
        official: Official::ResNet18.name_in(run),
        rows: rows(run),
        total: total(run),
    }
}

fn cards(run: &RunRecord, seeds: usize) -> Vec<Card> {
    let spread = run.spread("all", "harmonic_mean");
    let uncertainty = run.uncertainty();
    let says = match (spread.and_then(|spread| spread.standard_deviation), spread) {
        (Some(_), Some(spread)) => format!(
            "± standard deviation over seeds; from {} to {}",
            format::number(Some(spread.min), MEAN_DECIMALS),
            format::number(Some(spread.max), MEAN_DECIMALS)
        ),
        _ => "one seed: the spread over training runs is unknown".to_owned(),
    };
    let mut cards = vec![Card {
        title: if seeds == 1 { "One seed".to_owned() } else { format!("Mean of {seeds} seeds") },
        value: format::number(spread.map(|spread| spread.mean), MEAN_DECIMALS),
        deviation: spread.and_then(|spread| spread.standard_deviation).map(|value| format!("{value:.MEAN_DECIMALS$}")),
        interval: format::interval(uncertainty.and_then(|all| all.mean.harmonic_mean.as_ref()), MEAN_DECIMALS),
        says,
    }];
    if let Some(ensemble) = run.results.as_ref().and_then(|results| results.ensemble.as_ref()) {
        let interval = uncertainty.and_then(|all| all.ensemble.as_ref()?.harmonic_mean.as_ref());
        cards.push(Card {
            title: format!("Ensemble of {seeds} seeds"),
            value: format::number(Some(ensemble.harmonic_mean), MEAN_DECIMALS),
            deviation: None,
            interval: format::interval(interval, MEAN_DECIMALS),
            says: "the mean of the seeds’ probabilities, used for the submission".to_owned(),
        });
    }
    cards
}

fn rows(run: &RunRecord) -> Vec<Row> {
    let inverse = run.final_scores().map_or(0.0, |scores| scores.tasks.iter().map(|task| 1.0 / task.macro_f1).sum());
    (0..run.data().len()).map(|index| row(run, index, inverse)).collect()
}

/// `inverse` is the sum of 1/F1 over all tasks.
fn row(run: &RunRecord, index: usize, inverse: f64) -> Row {
    let task = &run.data()[index].task;
    let official = Official::ResNet18.metrics(&run.data()[index]);
    let spread = |metric| format::spread(run.spread(&task.name, metric), TASK_DECIMALS);
    let uncertainty = run.uncertainty();
    let one = uncertainty.map(|all| &all.mean);
    let of_ensemble = uncertainty.and_then(|all| all.ensemble.as_ref());
    let ensemble = run.results.as_ref().and_then(|results| results.ensemble.as_ref()).map(|set| &set.tasks[index]);
    let number = |value| format::number(value, TASK_DECIMALS);
    let cell = |value, interval| Cell::new(value, interval, TASK_DECIMALS);
    Row {
        task: task.title.clone(),
        images: run.rows(&task.name, Split::Test).map_or_else(|| NONE.to_owned(), |rows| format::count(rows as u64)),
        auc: cell(spread("auc"), one.and_then(|all| all.tasks[index].auc.as_ref())),
        accuracy: cell(spread("accuracy"), one.and_then(|all| all.tasks[index].accuracy.as_ref())),
        macro_f1: cell(spread("macro_f1"), one.and_then(|all| all.tasks[index].macro_f1.as_ref())),
        ensemble_auc: cell(
            number(ensemble.and_then(|task| task.auc)),
            of_ensemble.and_then(|all| all.tasks[index].auc.as_ref()),
        ),
        ensemble_accuracy: cell(
            number(ensemble.map(|task| task.accuracy)),
            of_ensemble.and_then(|all| all.tasks[index].accuracy.as_ref()),
        ),
        ensemble_macro_f1: cell(
            number(ensemble.map(|task| task.macro_f1)),
            of_ensemble.and_then(|all| all.tasks[index].macro_f1.as_ref()),
        ),
        official_auc: number(official.and_then(|metrics| metrics.auc)),
        official_accuracy: number(official.and_then(|metrics| metrics.accuracy)),
        weight: weight(run, index, inverse),
    }
}

/// The task's share in the sum of 1/F1: how much it holds the harmonic mean down.
fn weight(run: &RunRecord, index: usize, inverse: f64) -> String {
    run.final_scores()
        .map_or_else(|| NONE.to_owned(), |scores| format::percent(1.0 / scores.tasks[index].macro_f1 / inverse))
}

fn total(run: &RunRecord) -> Row {
    let uncertainty = run.uncertainty();
    let images = run.data().iter().filter_map(|data| data.rows.get(&Split::Test)).sum::<usize>();
    let ensemble = run.results.as_ref().and_then(|results| results.ensemble.as_ref());
    let nothing = || Cell { value: String::new(), interval: String::new() };
    Row {
        task: "Harmonic mean".to_owned(),
        images: format::count(images as u64),
        auc: nothing(),
        accuracy: nothing(),
        macro_f1: Cell::new(
            format::spread(run.spread("all", "harmonic_mean"), MEAN_DECIMALS),
            uncertainty.and_then(|all| all.mean.harmonic_mean.as_ref()),
            MEAN_DECIMALS,
        ),
        ensemble_auc: nothing(),
        ensemble_accuracy: nothing(),
        ensemble_macro_f1: Cell::new(
            format::number(ensemble.map(|set| set.harmonic_mean), MEAN_DECIMALS),
            uncertainty.and_then(|all| all.ensemble.as_ref()?.harmonic_mean.as_ref()),
            MEAN_DECIMALS,
        ),
        official_auc: String::new(),
        official_accuracy: String::new(),
        weight: String::new(),
    }
}

#[derive(Template)]
#[template(path = "unfinished.html")]
struct UnfinishedTemplate {
    done: String,
    planned: Option<String>,
    interrupted: bool,
    best: Option<String>,
    seeds: Vec<String>,
    /// Whether it is finished but for its test split.
    untested: bool,
    /// What does the rest.
    command: String,
}

fn unfinished(run: &RunRecord) -> UnfinishedTemplate {
    let history = &run.history;
    let best = history
        .seeds
        .iter()
        .flat_map(|seed| seed.epochs.iter().map(move |epoch| (seed.seed, epoch)))
        .filter_map(|(seed, epoch)| Some((epoch.harmonic_mean?, seed, epoch.epoch)))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    UnfinishedTemplate {
        done: format::count(history.finished_epochs() as u64),
        planned: history
            .planned_epochs
            .and_then(|epochs| epochs.checked_mul(run.manifest.seeds.len()))
            .map(|epochs| format::count(epochs as u64)),
        interrupted: history.interrupted,
        best: best.map(|(mean, seed, epoch)| format!("{mean:.MEAN_DECIMALS$} (seed {seed}, epoch {epoch})")),
        seeds: run
            .manifest
            .seeds
            .iter()
            .map(|&seed| {
                let epochs = history.seed(seed).map_or(0, |history| history.epochs.len());
                format!("seed {seed}: {}", format::plural(epochs, "epoch"))
            })
            .collect(),
        untested: run.untested,
        command: run.next_command().unwrap_or_default(),
    }
}
