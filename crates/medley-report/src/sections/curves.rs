use askama::Template;

use super::Section;
use crate::format::{self, MEAN_DECIMALS, NONE};
use crate::record::{Epoch, SeedHistory};
use crate::svg::{LineChart, Series, line_sample};
use crate::{Fragment, RunRecord};

/// How training went, epoch by epoch.
pub(super) struct Curves;

#[derive(Template)]
#[template(path = "curves.html")]
struct CurvesTemplate {
    legend: Vec<(Fragment, String)>,
    main: Vec<Chart>,
    tasks: Vec<Chart>,
    seeds: Vec<SeedRow>,
}

/// How far the training of a seed went.
struct SeedRow {
    seed: u64,
    epochs: String,
    selected: String,
    validation: String,
    ended: String,
}

struct Chart {
    title: String,
    svg: Fragment,
}

/// Natural size of a chart: three fit beside each other.
const SIZE: (f64, f64) = (318.0, 196.0);
const NON_NEGATIVE: (f64, f64) = (0.0, f64::INFINITY);
const SHARE: (f64, f64) = (0.0, 1.0);

impl Section for Curves {
    fn id(&self) -> &'static str {
        "curves"
    }

    fn title(&self) -> &'static str {
        "Learning curves"
    }

    fn render(&self, run: &RunRecord) -> Result<Option<Fragment>, askama::Error> {
        let main: Vec<Chart> = [
            chart(run, "Validation, harmonic mean of macro-F1", SHARE, &|seed| {
                by_epoch(seed, |epoch| epoch.harmonic_mean)
            }),
            chart(run, "Training loss", NON_NEGATIVE, &training_loss),
            chart(run, "Learning rate", NON_NEGATIVE, &learning_rate),
        ]
        .into_iter()
        .flatten()
        .collect();
        let tasks: Vec<Chart> = run
            .data()
            .iter()
            .filter_map(|data| {
                let values = |seed: &SeedHistory| by_epoch(seed, |epoch| epoch.macro_f1.get(&data.task.name).copied());
                chart(run, &data.task.title, SHARE, &values)
            })
            .collect();
        let seeds: Vec<SeedRow> = run.history.seeds.iter().map(|seed| seed_row(run, seed)).collect();
        if main.is_empty() && tasks.is_empty() && seeds.is_empty() {
            return Ok(None);
        }
        let legend = (run.history.seeds.iter().enumerate())
            .map(|(index, seed)| (line_sample(index), format!("seed {}", seed.seed)))
            .collect();
        Fragment::render(&CurvesTemplate { legend, main, tasks, seeds }).map(Some)
    }
}

fn seed_row(run: &RunRecord, history: &SeedHistory) -> SeedRow {
    let done = history.epochs.len();
    let planned = run.history.planned_epochs;
    let result = run.seeds.iter().find(|result| result.seed == history.seed);
    let ended = match run.stopped(history.seed) {
        Some(reason) => format!("stopped early: {reason}"),
        None if planned.is_some_and(|planned| done >= planned) => "after the last epoch".to_owned(),
        None if result.is_some() => NONE.to_owned(),
        None => "not yet".to_owned(),
    };
    SeedRow {
        seed: history.seed,
        epochs: planned.map_or_else(|| done.to_string(), |planned| format!("{done} of {planned}")),
        selected: result.map_or_else(|| NONE.to_owned(), |result| result.best_epoch.to_string()),
        validation: format::number(result.map(|result| result.validation.harmonic_mean), MEAN_DECIMALS),
        ended,
    }
}

fn by_epoch(seed: &SeedHistory, value: impl Fn(&Epoch) -> Option<f64>) -> Vec<(f64, f64)> {
    seed.epochs.iter().map(|epoch| (epoch.epoch as f64, value(epoch).unwrap_or(f64::NAN))).collect()
}

/// The mean of each epoch. By step only where there is no second epoch: of the steps, few are recorded.
fn training_loss(seed: &SeedHistory) -> Vec<(f64, f64)> {
    if seed.epochs.len() > 1 || seed.steps.len() <= seed.epochs.len() {
        return by_epoch(seed, |epoch| epoch.train_loss);
    }
    seed.steps.iter().map(|point| (point.epoch, point.loss)).collect()
}

fn learning_rate(seed: &SeedHistory) -> Vec<(f64, f64)> {
    if seed.steps.len() <= seed.epochs.len() {
        return by_epoch(seed, |epoch| epoch.learning_rate);
    }
    seed.steps.iter().map(|point| (point.epoch, point.learning_rate)).collect()
}

fn chart(
    run: &RunRecord,
    title: &str,
    y_bounds: (f64, f64),
    values: &dyn Fn(&SeedHistory) -> Vec<(f64, f64)>,
) -> Option<Chart> {
    let selected = y_bounds == SHARE;
    let series: Vec<Series> = run
        .history
        .seeds
        .iter()
        .enumerate()
        .map(|(index, seed)| {
            let points = values(seed);
            let marks = if selected { best_mark(run, seed, &points) } else { Vec::new() };
            Series { name: format!("seed {}", seed.seed), index, points, marks }
        })
        .collect();
    if series.iter().all(|series| series.points.len() < 2) {
        return None;
    }
    let label = format!("{title}, by epoch, one line per seed");
    let svg = LineChart { label, x_label: "epoch".into(), series, size: SIZE, y_bounds }.draw()?;
    Some(Chart { title: title.to_owned(), svg })
}

/// The epoch whose network was scored.
fn best_mark(run: &RunRecord, seed: &SeedHistory, points: &[(f64, f64)]) -> Vec<(f64, f64, String)> {
    let scored = run.seeds.iter().find(|result| result.seed == seed.seed);
    let Some(best) = scored.map(|result| result.best_epoch) else { return Vec::new() };
    points
        .iter()
        .filter(|point| point.0 == best as f64)
        .map(|&(x, y)| (x, y, format!("seed {}: selected epoch {best}, {y:.4}", seed.seed)))
        .collect()
}
