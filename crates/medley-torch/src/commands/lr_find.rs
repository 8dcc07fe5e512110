use std::path::Path;
use std::process::ExitCode;

use medley_cli::args::LrFindArguments;
use medley_cli::failure::Usage;
use medley_cli::output;
use medley_report::svg::{LineChart, Series, standalone};
use medley_storage::{RealFs, write_whole};
use medley_train::compute::kept;
use medley_train::dry_run::{RangeTest, rates};

use super::{config, train};
use crate::interruption::Interruption;

/// How the suggestions are called, and what they are.
type Suggestion = (&'static str, Option<f64>, &'static str);

pub(crate) fn run(arguments: &LrFindArguments) -> anyhow::Result<ExitCode> {
    let LrFindArguments { from, to, steps, .. } = *arguments;
    if !(from > 0.0 && from < to && to.is_finite()) {
        return Err(Usage(format!("--from {from} --to {to}: rates must rise from above zero")).into());
    }
    let interruption = Interruption::while_running("`medley lr-find`")?;
    let (experiment, _) = config::read(&arguments.config, &arguments.set, &arguments.data.data)?;
    let session = train::session(&arguments.data.data, &arguments.reading).keep_choices(kept::default_folder());
    let rates = rates(from, to, steps as usize);
    let progress = train::steps_bar(u64::from(steps), arguments.quiet);
    let test =
        session.test_rates(&experiment, &rates, &interruption.stop, |step, _| progress.set_position(step as u64))?;
    progress.finish_and_clear();
    if interruption.stop.requested() {
        return Ok(interruption.stopped("nothing was written"));
    }
    if let Some(path) = &arguments.svg {
        write_chart(path, &experiment.name, &test)?;
    }
    if arguments.json {
        output::json(&test)?;
    } else {
        output::line(&summary(&experiment.name, &test, to))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn suggestions(test: &RangeTest) -> [Suggestion; 3] {
    [
        ("valley", test.valley, "in the middle of the longest fall of the loss"),
        ("steepest", test.steepest, "where the loss falls fastest"),
        ("tenth of least", test.tenth_of_least, "a tenth of the rate with the least loss"),
    ]
}

fn summary(name: &str, found: &RangeTest, last_asked: f64) -> String {
    let (made, last) = (found.points.len(), found.points.last().map_or(0.0, |point| point.learning_rate));
    let end = if last < last_asked { " where the loss rose" } else { "" };
    let mut text = format!("learning rate range test of {name}: {made} steps, up to {last:.1e}{end}\n\n");
    let rows = suggestions(found).map(|(name, rate, meaning)| {
        vec![name.to_owned(), rate.map_or("-".into(), |rate| format!("{rate:.1e}")), meaning.into()]
    });
    text.push_str(&output::table(&["suggestion", "rate", ""], &rows));
    match found.valley {
        Some(rate) => format!("{text}\n\n[optimizer]\nlearning_rate = {rate:.1e}"),
        None => format!("{text}\n\nThe loss did not fall: try a lower --from, or more --steps."),
    }
}

fn write_chart(path: &Path, name: &str, test: &RangeTest) -> anyhow::Result<()> {
    let line = |name: &str, index, value: fn(&medley_train::dry_run::RangePoint) -> f64| {
        let points: Vec<(f64, f64)> =
            test.points.iter().map(|point| (point.learning_rate.log10(), value(point))).collect();
        Series { name: name.to_owned(), index, points, marks: Vec::new() }
    };
    let mut smoothed = line("smoothed loss", 0, |point| point.smoothed);
    let place = |rate: f64| test.points.iter().find(|point| point.learning_rate >= rate);
    smoothed.marks = suggestions(test)
        .into_iter()
        .filter_map(|(name, rate, _)| {
            let point = place(rate?)?;
            Some((point.learning_rate.log10(), point.smoothed, format!("{name}: {:.1e}", point.learning_rate)))
        })
        .collect();
    let losses = test.points.iter().map(|point| point.smoothed);
    let most = losses.fold(0.0, f64::max) * 1.5;
    let chart = LineChart {
        label: format!("Loss of {name} over the learning rate"),
        x_label: "learning rate, as a power of ten".to_owned(),
        series: vec![line("loss", 3, |point| point.loss), smoothed],
        size: (640.0, 360.0),
        y_bounds: (0.0, most.max(1e-9)),
    };
    if let Some(drawn) = chart.draw() {
        write_whole(&RealFs, path, standalone(&drawn).as_bytes())?;
        output::note(&format!("written: {}", path.display()));
    }
    Ok(())
}
