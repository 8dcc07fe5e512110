//! Charts of the page.

use medley_report::Fragment;
use medley_report::svg::{
    self, Axis, DotChart, DotRow, Mark, ParallelChart, Point, ScatterChart, Shape, Strand, Weight,
};
use medley_search::{Dimension, Direction, Domain};

use super::{number, short, state, value};
use crate::importance::Importances;
use crate::{Overview, TrialOverview};

/// Trials that stand out in parallel coordinates.
const STRONG: usize = 3;
/// Trials that charts show, the best ones.
const MOST: usize = 2_000;
/// Choices that an axis names.
const MOST_CHOICES: usize = 8;

/// Values by number of the trial, and the best so far.
pub(super) fn history(overview: &Overview) -> Option<Fragment> {
    let best = overview.status.best.as_ref().map(|best| best.number);
    let points = overview.trials.iter().filter_map(|trial| {
        Some(Point { x: trial.number as f64, y: trial.latest()?, weight: weight(trial, best), title: title(trial) })
    });
    let mut steps: Vec<(f64, f64)> = Vec::new();
    let mut least = f64::INFINITY;
    for (trial, value) in overview.trials.iter().filter_map(|trial| Some((trial, trial.value?))) {
        if overview.loss(value) < least {
            least = overview.loss(value);
            steps.push((trial.number as f64, value));
        }
    }
    if let (Some(last), Some((_, value))) = (overview.trials.last(), steps.last().copied()) {
        steps.push((last.number as f64, value));
    }
    let label = "Value of each trial by its number, with the best so far".to_owned();
    let points = points.take(MOST).collect();
    let x_label = "trial".to_owned();
    let x_ticks = overview.trials.last().map_or_else(Vec::new, |last| numbers_up_to(last.number));
    ScatterChart { label, x_label, x_ticks, points, steps, size: (720.0, 280.0) }.draw()
}

/// Ticks at round numbers of trials, none of them half.
fn numbers_up_to(last: u64) -> Vec<(f64, String)> {
    let all = svg::ticks((0.0, last.max(1) as f64), 5).into_iter().map(|(at, _)| at);
    all.filter(|at| at.fract() == 0.0 && *at <= last as f64).map(|at| (at, format!("{at:.0}"))).collect()
}

fn weight(trial: &TrialOverview, best: Option<u64>) -> Weight {
    match trial.value {
        Some(_) if best == Some(trial.number) => Weight::Strong,
        Some(_) => Weight::Plain,
        None => Weight::Light,
    }
}

fn title(trial: &TrialOverview) -> String {
    let value = trial.latest().map_or_else(String::new, |value| format!(", {}", number(value)));
    format!("trial {}, {}{value}", trial.number, state(trial.state))
}

/// The importance of each setting.
pub(super) fn importances(found: &Importances) -> Option<Fragment> {
    let row = |one: &crate::importance::Importance| DotRow {
        label: one.key.clone(),
        interval: Some((
            (one.rise.mean - 2.0 * one.rise.deviation).max(0.0),
            one.rise.mean + 2.0 * one.rise.deviation,
            format!("standard deviation over forests: {:.3}", one.rise.deviation),
        )),
        marks: vec![
            Mark { value: one.rise.mean, shape: Shape::Disc, title: format!("{}: rise {:.3}", one.key, one.rise.mean) },
            Mark {
                value: one.share.mean,
                shape: Shape::Diamond,
                title: format!("{}: share {:.3}, deviation {:.3}", one.key, one.share.mean, one.share.deviation),
            },
        ],
        note: format!("{:.2} / {:.2}", one.rise.mean, one.share.mean),
    };
    DotChart {
        label: "Importance of each setting".to_owned(),
        x_label: "rise of the squared error / share of the variance".to_owned(),
        rows: found.keys.iter().map(row).collect(),
        width: 680.0,
        label_width: 210.0,
        note_width: 84.0,
    }
    .draw()
}

/// A chart for each setting.
pub(super) fn slices(overview: &Overview) -> Vec<(String, Fragment)> {
    let best = overview.status.best.as_ref().map(|best| best.number);
    let dimensions = overview.definition.space.dimensions().iter().enumerate();
    let chart = |(index, dimension): (usize, &Dimension)| {
        let points = overview.ranking().into_iter().take(MOST).filter_map(|trial| {
            let place = trial.cube.as_ref()?.get(index).copied().flatten()?;
            let title = format!("{}: {}", title(trial), trial.point.get(&dimension.key).map(value).unwrap_or_default());
            Some(Point { x: place, y: trial.latest()?, weight: weight(trial, best), title })
        });
        let chart = ScatterChart {
            label: format!("Value by {}", dimension.key),
            x_label: if is_log(&dimension.domain) { "on a log scale".to_owned() } else { String::new() },
            x_ticks: ticks(&dimension.domain),
            points: points.collect(),
            steps: Vec::new(),
            size: (330.0, 220.0),
        };
        Some((dimension.key.clone(), chart.draw()?))
    };
    dimensions.filter_map(chart).collect()
}

fn is_log(domain: &Domain) -> bool {
    matches!(domain, Domain::Real { log: true, .. } | Domain::LogInteger { .. })
}

/// Places in the cube and what is there: choices, or both ends and the middle.
fn ticks(domain: &Domain) -> Vec<(f64, String)> {
    let shown = |at: f64| match domain.value(at) {
        medley_search::Value::Float(number) => short(number),
        other => value(&other),
    };
    match domain.count() {
        Some(count) if domain.is_choice() || count <= 5 => {
            let middle = |index: usize| {
                let (from, to) = domain.bounds(index);
                f64::midpoint(from, to)
            };
            (0..count.min(MOST_CHOICES)).map(middle).map(|at| (at, shown(at))).collect()
        }
        _ => [0.0, 0.5, 1.0].map(|at| (at, shown(at))).to_vec(),
    }
}

/// All settings and the value beside each other.
pub(super) fn parallel(overview: &Overview) -> Option<Fragment> {
    let dimensions = overview.definition.space.dimensions();
    let ranking = overview.ranking();
    let shown: Vec<&&TrialOverview> = ranking.iter().filter(|trial| trial.latest().is_some()).take(MOST).collect();
    let values = || shown.iter().filter_map(|trial| trial.latest());
    let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
    if shown.len() < 2 || high <= low {
        return None;
    }
    let drawn = |dimension: &Dimension| Axis {
        name: dimension.key.rsplit('.').next().unwrap_or_default().to_owned(),
        ticks: ticks(&dimension.domain),
    };
    let mut axes: Vec<Axis> = dimensions.iter().map(drawn).collect();
    let (bottom, top) = match overview.definition.direction {
        Direction::Maximize => (low, high),
        Direction::Minimize => (high, low),
    };
    axes.push(Axis { name: "value".to_owned(), ticks: vec![(0.0, number(bottom)), (1.0, number(top))] });
    let strand = |(rank, trial): (usize, &&&TrialOverview)| {
        let mut places = trial.cube.clone().unwrap_or_else(|| vec![None; dimensions.len()]);
        places.push(trial.latest().map(|value| (value - bottom) / (top - bottom)));
        Strand { places, strong: rank < STRONG && trial.value.is_some(), title: title(trial) }
    };
    ParallelChart {
        label: "Settings and values of all trials, a line each".to_owned(),
        axes,
        strands: shown.iter().enumerate().map(strand).collect(),
        step: 130.0,
        height: 300.0,
    }
    .draw()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_trial_is_half() {
        let numbers = |last: u64| numbers_up_to(last).into_iter().map(|(_, label)| label).collect::<Vec<_>>();
        assert_eq!([numbers(0), numbers(1), numbers(2)], [vec!["0"], vec!["0", "1"], vec!["0", "1", "2"]]);
        for last in 3..300 {
            assert!((3..=13).contains(&numbers(last).len()), "{last}: {:?}", numbers(last));
        }
    }
}
