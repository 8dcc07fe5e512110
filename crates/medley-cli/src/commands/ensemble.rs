//! `medley ensemble`: one predictor out of the seeds of several runs.

use std::fmt::Write as _;
use std::process::ExitCode;

use medley_core::RunLayout;
use medley_core::record::ScoreSet;
use medley_core::text::{count, plural};
use medley_decisions::ensemble::{Fallback, Method};
use medley_decisions::record::{DecisionRecord, TaskDecisions};
use medley_ensembles::{Built, Complete, Folds, Record, Request, Source, TaskEnsemble, build, open_test};
use medley_predictions::RunFiles;
use medley_storage::RealFs;

use super::decide::{interval, rules, temperatures};
use super::score::DataTruth;
use crate::args::ensemble::EnsembleArguments;
use crate::output;

pub(crate) fn run(arguments: &EnsembleArguments) -> anyhow::Result<ExitCode> {
    let mut runs = Vec::new();
    for path in &arguments.members {
        runs.push((RunFiles::read(&RunLayout::new(path))?, DataTruth::of(path, &arguments.data)));
    }
    let sources: Vec<Source<'_>> = runs.iter().map(|(run, truth)| Source { run: run.clone(), truth }).collect();
    let request = Request {
        method: arguments.method.into(),
        options: arguments.fitting.options(),
        decide: arguments.decide,
        test: arguments.test,
        collect: arguments.collect,
        complete: Complete::EveryRepeat,
        name: arguments.name.clone(),
        runs: arguments.runs.clone(),
        now: now(),
        medley: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let mut built = build(&sources, &request, &RealFs)?;
    let folder = built.layout.root().display().to_string();
    let mut written = vec![format!("ensemble   {folder}")];
    if built.decisions.is_some() {
        written.push(format!("decisions  {}", built.layout.decisions().display()));
    }
    if arguments.test {
        match open_test(&mut built, &sources, &now(), &RealFs)? {
            Some(submission) => {
                submission.remarks.iter().for_each(|remark| output::note(remark));
                let rows = count(submission.rows as u64);
                written.push(format!("submission {} ({rows} rows)", submission.path.display()));
            }
            None => output::note("no submission: every task has several labels per image"),
        }
    }
    if arguments.json {
        output::json(&built.record)?;
    } else {
        output::line(&text(&built))?;
        output::line(&written.join("\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The time now as RFC 3339 in UTC, to the second; no result depends on it.
pub(crate) fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn text(built: &Built) -> String {
    let record = &built.record;
    let mut text = String::new();
    if record.synthetic {
        text.push_str("SYNTHETIC data: the scores say nothing about medicine\n\n");
    }
    let runs = plural(record.runs.len(), "run");
    let rows = match record.folds {
        None => "validation".to_owned(),
        Some(Folds { count, repeats: 1 }) => format!("out-of-fold rows of {count} folds"),
        Some(Folds { count, repeats }) => format!("out-of-fold rows of {count} folds, {repeats} ways of splitting"),
    };
    let _ = write!(text, "{rows}, members of {runs} averaged\n{}\n", validation(record));
    if record.tasks.iter().any(|task| task.weighed.method != Method::Mean) {
        let _ = write!(text, "\nweights\n{}\n", weights(record));
    }
    let by = "by weights that were not fitted on the row, and the plain rule";
    let _ = write!(text, "\n{rows}, {by}\n{}\n", scores(&record.validation));
    if let Some(decisions) = &built.decisions {
        let _ = write!(text, "\nmacro-F1 on rows that the rule was not fitted on\n{}\n", rules(decisions));
        if decisions.tasks.iter().any(|task| task.predictor.temperature.is_some()) {
            let _ = write!(text, "\ntemperatures\n{}\n", temperatures(decisions));
        }
    }
    if let Some(test) = &record.test {
        let _ = write!(text, "\ntest, by the plain rule\n{}\n", scores(test));
    }
    if let Some(decisions) = built.decisions.as_ref().filter(|_| record.test.is_some()) {
        let _ = write!(text, "\ntest, macro-F1\n{}\n", with_rules(decisions));
    }
    text
}

/// Macro-F1 on the test split by the plain rule and by that of the ensemble.
fn with_rules(decisions: &DecisionRecord) -> String {
    let row = |task: &TaskDecisions| {
        let test = task.test?;
        let rule = task.predictor.rule.name().to_owned();
        Some(vec![task.task.clone(), rule, format!("{:.4}", test.plain), format!("{:.4}", test.with_rule)])
    };
    let rows: Vec<Vec<String>> = decisions.tasks.iter().filter_map(row).collect();
    output::table(&["task", "rule", "plain", "with it"], &rows)
}

fn validation(record: &Record) -> String {
    let row = |task: &TaskEnsemble| {
        let weighed = &task.weighed;
        let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.4}"));
        let tried = weighed.cross_fitted;
        let mut cells = vec![
            task.task.clone(),
            task.members.len().to_string(),
            number(Some(weighed.mean.macro_f1)),
            number(Some(weighed.mean.log_loss)),
        ];
        if record.method != Method::Mean {
            cells.push(number(tried.map(|tried| tried.macro_f1)));
            cells.push(number(tried.map(|tried| tried.log_loss)));
            cells.push(weighed.gain.map_or_else(|| "-".to_owned(), |gain| interval(&gain)));
            cells.push(taken(weighed.method, weighed.fallback));
        }
        cells
    };
    let rows: Vec<Vec<String>> = record.tasks.iter().map(row).collect();
    let method = record.method.as_str();
    let (f1, loss) = (format!("{method} macro-F1"), format!("{method} log loss"));
    let gain = format!("gain in {}", if record.method == Method::Weighted { "log loss" } else { "macro-F1" });
    let mut header = vec!["task", "members", "mean macro-F1", "mean log loss"];
    if record.method != Method::Mean {
        header.extend([f1.as_str(), &loss, &gain, "taken"]);
    }
    output::table(&header, &rows)
}

fn taken(method: Method, fallback: Option<Fallback>) -> String {
    match fallback {
        None => method.as_str().to_owned(),
        Some(fallback) => format!("{}: {fallback}", method.as_str()),
    }
}

/// Of the tasks whose members do not all count alike.
fn weights(record: &Record) -> String {
    let mut rows = Vec::new();
    for task in record.tasks.iter().filter(|task| task.weighed.method != Method::Mean) {
        for (member, weight) in task.members.iter().zip(&task.weighed.weights) {
            rows.push(vec![task.task.clone(), member.run.clone(), member.seed.to_string(), format!("{weight:.3}")]);
        }
    }
    output::table(&["task", "run", "seed", "weight"], &rows)
}

fn scores(set: &ScoreSet) -> String {
    let number = |value: f64| format!("{value:.4}");
    let intervals = set.intervals.as_ref();
    let ends = |interval: Option<medley_core::record::Interval>| {
        interval.map_or_else(|| "-".to_owned(), |interval| format!("[{:.4}, {:.4}]", interval.low, interval.high))
    };
    let mut rows: Vec<Vec<String>> = Vec::new();
    for (index, task) in set.tasks.iter().enumerate() {
        let interval = intervals.and_then(|all| all.tasks.get(index)).and_then(|task| task.macro_f1);
        let auc = task.auc.map_or_else(|| "-".to_owned(), number);
        rows.push(vec![task.task.clone(), auc, number(task.accuracy), number(task.macro_f1), ends(interval)]);
    }
    let mean = ends(intervals.and_then(|all| all.harmonic_mean));
    rows.push(vec!["harmonic mean".to_owned(), String::new(), String::new(), number(set.harmonic_mean), mean]);
    output::table(&["task", "AUC", "accuracy", "macro-F1", "95 % interval"], &rows)
}
