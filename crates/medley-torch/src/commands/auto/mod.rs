//! `medley auto`: a search, networks by what it found, an ensemble, a report.

mod finish;
mod meter;
mod rehearsal;
mod test;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use medley_cli::args::auto::AutoArguments;
use medley_cli::failure::Usage;
use medley_cli::look::look;
use medley_cli::output;
use medley_core::text::{duration, plural};
use medley_data::Registry;
use medley_studies::auto::AutoRecord;
use medley_tune::TuneError;
use medley_tune::auto::{Auto, AutoRequest, Clock, SEARCH};

pub(crate) use self::test::{is_auto, test};

use self::finish::finish;
use self::meter::Meter;
use self::rehearsal::Program;
use super::config;
use super::train::session;
use crate::interruption::Interruption;

/// What the program has taken before it looks at its clock: mostly for loading libtorch.
const BEFORE: Duration = Duration::from_millis(400);

pub(crate) fn run(arguments: &AutoArguments) -> anyhow::Result<ExitCode> {
    let clock = Clock::new(arguments.budget, BEFORE);
    let first = arguments.tasks.first().cloned().unwrap_or_else(|| "config".to_owned());
    let out = arguments.out.clone().unwrap_or_else(|| PathBuf::from("auto").join(first));
    let interruption = Interruption::while_preparing("stopped before anything was written")?;
    let registry = Registry::of_folder(&arguments.data.data)?;
    let tasks = match &arguments.config {
        Some(path) if arguments.tasks.is_empty() => config::read(path, &[], &arguments.data.data)?.0.tasks.clone(),
        _ => arguments.tasks.clone(),
    };
    let request = AutoRequest { tasks, base: arguments.config.clone(), out: out.clone(), seed: arguments.seed };
    let again = "the same command, given again,".to_owned();
    interruption.running(&again);
    let auto = Auto::begin(request.clone(), clock, &registry)?;
    if auto.is_finished() {
        output::note(&format!("`{}` is finished: there is nothing to do", out.display()));
        return show(arguments, &out);
    }
    let meter = Meter::start(*auto.clock(), arguments.quiet);
    let done = (|| -> anyhow::Result<Option<AutoRecord>> {
        let before = auto.clock().spent();
        let options = arguments.reading.options();
        let looked = auto.guarded(look(&request.tasks, &arguments.data.data, &options, &out))?;
        auto.add("audit of the data", before);
        looked.findings.iter().for_each(|finding| meter.say(finding));
        let session = session(&arguments.data.data, &arguments.reading);
        let around = Program { meter: &meter, data: &arguments.data.data, out: &out };
        let Some(runs) = auto.run(&session, &registry, &looked.groups, &interruption.stop, &around)? else {
            return Ok(None);
        };
        meter.say("averaging, fitting decision rules, writing the package and the report");
        finish(&auto, &runs, &looked, &arguments.data.data, &out).map(Some)
    })();
    drop(meter);
    match done {
        Ok(Some(_)) => show(arguments, &out),
        Ok(None) => Ok(interruption.note(&again)),
        Err(error) => Err(advised(error)),
    }
}

/// What was written, in words or as JSON.
fn show(arguments: &AutoArguments, out: &std::path::Path) -> anyhow::Result<ExitCode> {
    let search = out.join(SEARCH);
    let record = AutoRecord::read(&search)?.ok_or_else(|| anyhow::anyhow!("`{}` has no record", search.display()))?;
    if arguments.json {
        output::json(&record)?;
    } else {
        output::line(&text(&record, out))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A budget is an option: what is wrong with it is wrong usage.
fn advised(error: anyhow::Error) -> anyhow::Error {
    match error.downcast_ref::<TuneError>() {
        Some(TuneError::TooLittleTime { .. }) => Usage(format!("--budget: {error}")).into(),
        _ => error,
    }
}

fn text(record: &AutoRecord, out: &std::path::Path) -> String {
    let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.4}"));
    let (winner, base) = record.means();
    let share = record.spent / record.budget * 100.0;
    let on = record.folds.map_or_else(String::new, |folds| format!(" on {folds} folds"));
    let mut lines = vec![
        format!("trials     {} compared", record.trials),
        format!("networks   {}{on}, of about {}", record.members.len(), plural(record.epochs, "epoch")),
        format!("validation {} best settings, {} default recipe", number(winner), number(base)),
        format!("ensemble   {} harmonic mean of macro-F1", number(record.ensemble_score)),
    ];
    lines.extend(record.left_out().map(|left_out| format!("left out   {left_out}")));
    for rule in &record.rules {
        lines.push(format!("decision   {}: {}", rule.task, rule.rule));
    }
    lines.push(format!("finding    {}", record.finding));
    lines.push(format!("time       {} of {} ({share:.1} %)", duration(record.spent), duration(record.budget)));
    lines.push(format!("package    {}", out.join("package").display()));
    lines.push(format!("report     {}", out.join("report.html").display()));
    lines.push(match &record.test {
        Some(test) => format!("test       {:.4} harmonic mean of macro-F1", test.harmonic_mean),
        None => format!("test       not scored; `medley test {}` does that, once", out.display()),
    });
    lines.push("Not for clinical use.".to_owned());
    lines.join("\n")
}
