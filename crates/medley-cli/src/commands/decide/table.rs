//! The tables of `medley decide`.

use std::fmt::Write as _;

use medley_core::record::Interval;
use medley_core::text::plural;
use medley_decisions::record::{DecisionRecord, TaskDecisions};
use medley_decisions::{Fitted, Gain, Rule};
use medley_metrics::harmonic_mean;

use crate::output;

/// `folds`: how many, and ways of splitting, where rows of all folds were put together.
pub(super) fn text(decisions: &DecisionRecord, synthetic: bool, folds: Option<(usize, usize)>) -> String {
    let seeds = decisions.tasks.first().map_or(1, |task| task.seeds.len().max(1));
    let of = if seeds > 1 { format!("the mean of {}", plural(seeds, "seed")) } else { "the only seed".to_owned() };
    let mut text = String::new();
    if synthetic {
        text.push_str("SYNTHETIC data: the scores say nothing about medicine\n\n");
    }
    let rows = match folds {
        None => "validation".to_owned(),
        Some((count, 1)) => format!("out-of-fold rows of {count} folds"),
        Some((count, repeats)) => format!("out-of-fold rows of {count} folds, {repeats} ways of splitting"),
    };
    let _ = write!(
        text,
        "{rows}, {of}; macro-F1 on rows that the rule was not fitted on; one-sided level {}, shared among rules that decide \
         otherwise\n{}\n\nto decide by\n{}",
        decisions.options.level,
        indented(&candidates(decisions)),
        indented(&rules(decisions))
    );
    if let Some(kappas) = kappas(decisions) {
        let _ = write!(
            text,
            "\n\nquadratic weighted kappa on the same rows; nothing is chosen by it\n{}",
            indented(&kappas)
        );
    }
    if decisions.tasks.iter().any(|task| task.predictor.temperature.is_some()) {
        let table = indented(&temperatures(decisions));
        let _ =
            write!(text, "\n\ntemperatures, for the probabilities that are shown; they change no decision\n{table}");
    }
    if seeds > 1 {
        let _ = write!(text, "\n\n{rows}, each seed alone\n{}", indented(&each_seed(decisions)));
    }
    if decisions.tasks.iter().any(|task| task.test.is_some()) {
        let _ = write!(
            text,
            "\n\nTEST split, which this run has opened; nothing above was chosen by it\n{}",
            indented(&test(decisions))
        );
    }
    text
}

fn indented(body: &str) -> String {
    body.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

/// A line for each rule that was tried.
fn candidates(decisions: &DecisionRecord) -> String {
    let mut rows = Vec::new();
    for TaskDecisions { task, predictor, .. } in &decisions.tasks {
        for candidate in &predictor.candidates {
            rows.push(vec![
                task.clone(),
                candidate.rule.name().to_owned(),
                number(predictor.plain_macro_f1),
                number(candidate.macro_f1),
                signed(candidate.gain.value),
                interval(&candidate.gain),
                candidate.verdict.to_string(),
            ]);
        }
        if predictor.candidates.is_empty() {
            let why = format!("nothing was tried: {} are too few to judge by", plural(predictor.rows, "row"));
            let none = || "-".to_owned();
            rows.push(vec![task.clone(), none(), number(predictor.plain_macro_f1), none(), none(), none(), why]);
        }
    }
    output::table(&["task", "rule", "plain", "with it", "gain", "interval", "verdict"], &rows)
}

/// What the temperature of each task does to log loss; empty where none was tried.
pub(crate) fn temperatures(decisions: &DecisionRecord) -> String {
    let row = |task: &TaskDecisions| {
        let fitted = task.predictor.temperature.as_ref()?;
        let [before, after] = fitted.log_loss.map(number);
        let verdict = match fitted.gain.value {
            _ if fitted.accepted => "accepted",
            gain if gain > 0.0 => "not accepted: the gain may be chance",
            _ => "not accepted: no gain",
        };
        let temperature = format!("{:.3}", fitted.temperature.temperature);
        let gain = signed(fitted.gain.value);
        Some(vec![task.task.clone(), temperature, before, after, gain, interval(&fitted.gain), verdict.to_owned()])
    };
    let rows: Vec<Vec<String>> = decisions.tasks.iter().filter_map(row).collect();
    output::table(&["task", "temperature", "log loss", "with it", "gain", "interval", "verdict"], &rows)
}

/// Quadratic weighted kappa of every rule of ordinal tasks; `None` where there is none. It is shown and not fitted for.
fn kappas(decisions: &DecisionRecord) -> Option<String> {
    let mut rows = Vec::new();
    for TaskDecisions { task, predictor, .. } in &decisions.tasks {
        let Some(plain) = predictor.plain_quadratic_kappa else { continue };
        for candidate in &predictor.candidates {
            let Some(kappa) = candidate.quadratic_kappa else { continue };
            let name = candidate.rule.name().to_owned();
            rows.push(vec![task.clone(), name, number(plain), number(kappa), signed(kappa - plain)]);
        }
    }
    (!rows.is_empty()).then(|| output::table(&["task", "rule", "plain", "with it", "difference"], &rows))
}

/// The rule of each task, and what all of them make of the harmonic mean.
pub(crate) fn rules(decisions: &DecisionRecord) -> String {
    let row = |task: &TaskDecisions| {
        let fitted = &task.predictor;
        let ends = |interval: Interval| format!("[{}, {}]", number(interval.low), number(interval.high));
        let interval = fitted.interval.map_or_else(|| "-".to_owned(), ends);
        let (plain, with_it) = (number(fitted.plain_macro_f1), number(fitted.macro_f1));
        vec![task.task.clone(), describe(&fitted.rule), plain, with_it, interval]
    };
    let mut rows: Vec<Vec<String>> = decisions.tasks.iter().map(row).collect();
    let both = mean_row(decisions, |task| Some([task.predictor.plain_macro_f1, task.predictor.macro_f1]));
    rows.extend(both.map(|mut row| {
        row.push(String::new());
        row
    }));
    output::table(&["task", "rule", "plain", "with it", "95 % interval"], &rows)
}

fn each_seed(decisions: &DecisionRecord) -> String {
    let mut rows = Vec::new();
    for task in &decisions.tasks {
        for seed in &task.seeds {
            let Fitted { rule, plain_macro_f1, macro_f1, .. } = &seed.fitted;
            rows.push(vec![
                task.task.clone(),
                seed.seed.to_string(),
                rule.name().to_owned(),
                number(*plain_macro_f1),
                number(*macro_f1),
            ]);
        }
    }
    output::table(&["task", "seed", "accepted", "plain", "with it"], &rows)
}

fn test(decisions: &DecisionRecord) -> String {
    let row = |task: &TaskDecisions| {
        let test = task.test?;
        let gain = signed(test.with_rule - test.plain);
        let rule = task.predictor.rule.name().to_owned();
        Some(vec![task.task.clone(), rule, number(test.plain), number(test.with_rule), gain])
    };
    let mut rows: Vec<Vec<String>> = decisions.tasks.iter().filter_map(row).collect();
    let both = mean_row(decisions, |task| task.test.map(|test| [test.plain, test.with_rule]));
    rows.extend(both.map(|mut row| {
        row.push(String::new());
        row
    }));
    output::table(&["task", "accepted", "plain", "with it", "difference"], &rows)
}

/// The harmonic means over tasks, where there are several.
fn mean_row(decisions: &DecisionRecord, of: impl Fn(&TaskDecisions) -> Option<[f64; 2]>) -> Option<Vec<String>> {
    let values: Vec<[f64; 2]> = decisions.tasks.iter().map(of).collect::<Option<_>>()?;
    let mean = |at: usize| number(harmonic_mean(&values.iter().map(|pair| pair[at]).collect::<Vec<_>>()));
    (values.len() > 1).then(|| vec!["harmonic mean".to_owned(), String::new(), mean(0), mean(1)])
}

/// A rule with its numbers.
fn describe(rule: &Rule) -> String {
    let list = |numbers: &[f64]| numbers.iter().map(|number| format!("{number:.2}")).collect::<Vec<_>>().join(", ");
    let name = rule.name();
    match rule {
        Rule::Plain(_) => name.to_owned(),
        Rule::PriorAdjustment(rule) => format!("{name}, tau {:.2}", rule.tau),
        Rule::LogOffsets(rule) => format!("{name} {}", list(&rule.offsets)),
        Rule::CutPoints(rule) => format!("{name} {}", list(&rule.cuts)),
        Rule::Thresholds(rule) => format!("{name} {}", list(&rule.thresholds)),
    }
}

fn number(value: f64) -> String {
    format!("{value:.4}")
}

/// No gain has no sign.
fn signed(value: f64) -> String {
    if value.abs() < 5e-5 { "0.0000".to_owned() } else { format!("{value:+.4}") }
}

pub(crate) fn interval(gain: &Gain) -> String {
    format!("[{}, {}]", signed(gain.interval.low), signed(gain.interval.high))
}
