//! `report.html` of a study.

mod charts;

use std::fmt::Write as _;
use std::path::PathBuf;

use askama::Template;
use medley_core::record::ScoreSet;
use medley_core::text::{count, duration, plural};
use medley_report::{Fragment, Frame, NOT_CLINICAL};
use medley_search::{Study, TrialState, Value};
use medley_storage::{RealFs, write_whole};

use crate::auto::{AutoRecord, RuleRecord};
use crate::confirmation::signed;
use crate::importance::importances;
use crate::{Overview, StudiesError, TrialOverview};

/// Rows of the table of trials.
const MOST_TRIALS: usize = 300;
/// Settings that have a chart of their own.
const MOST_SLICES: usize = 24;
/// Where there is nothing.
const NONE: &str = "–";

#[derive(Template)]
#[template(path = "study.html")]
struct StudyTemplate {
    /// Whether there was a search.
    searched: bool,
    /// What a trial is the mean of.
    unit: &'static str,
    /// What its settings were confirmed on.
    fresh: String,
    best: Option<Best>,
    winner: Option<Winner>,
    finding: Option<String>,
    confirmed: Vec<Confirmed>,
    auto: Option<Auto>,
    compared: String,
    history: Option<Fragment>,
    importances: Option<Found>,
    slices: Vec<(String, Fragment)>,
    parallel: Option<Fragment>,
    spent: Vec<Spent>,
    allowed: String,
    keys: Vec<String>,
    trials: Vec<Row>,
    left_out: usize,
    problems: Vec<(u64, String)>,
    texts: Vec<(&'static str, String)>,
}

struct Best {
    number: u64,
    value: String,
    settings: Vec<(String, String)>,
}

struct Winner {
    mean: String,
    base: String,
    difference: String,
    ends: String,
}

struct Confirmed {
    name: String,
    value: String,
    mean: String,
    difference: String,
}

struct Auto {
    summary: String,
    finding: String,
    audit: Vec<String>,
    test: Option<String>,
    phases: Vec<(String, String)>,
    members: Vec<(String, String)>,
    rules: Vec<String>,
}

struct Found {
    trials: usize,
    at: String,
    chart: Fragment,
}

struct Spent {
    state: String,
    trials: String,
    epochs: String,
    time: String,
}

struct Row {
    number: u64,
    best: bool,
    state: &'static str,
    value: String,
    rung: String,
    time: String,
    settings: Vec<String>,
}

/// Writes `report.html` into the folder of a study, in place of an older one.
///
/// # Errors
/// Where the study cannot be read, or the file not be written.
pub fn write(study: &Study) -> Result<PathBuf, StudiesError> {
    let path = study.folder().join("report.html");
    write_whole(&RealFs, &path, html(&Overview::read(study)?)?.as_bytes())?;
    Ok(path)
}

/// The page as text: HTML with its style and charts inside, no script, and nothing that is fetched from anywhere.
///
/// # Errors
/// [`StudiesError::Render`].
pub fn html(overview: &Overview) -> Result<String, StudiesError> {
    let ranking = overview.ranking();
    let best = overview.status.best.as_ref();
    let is_best = |trial: &TrialOverview| best.is_some_and(|best| best.number == trial.number);
    let dimensions = overview.definition.space.dimensions();
    let keys: Vec<String> = dimensions.iter().map(|dimension| dimension.key.clone()).collect();
    let row = |trial: &&TrialOverview| Row {
        number: trial.number,
        best: is_best(trial),
        state: state(trial.state),
        value: trial.latest().map_or_else(|| NONE.to_owned(), number),
        rung: trial.rung().map_or_else(|| NONE.to_owned(), |rung| rung.to_string()),
        time: duration(trial.seconds),
        settings: keys.iter().map(|key| trial.point.get(key).map_or_else(|| NONE.to_owned(), value)).collect(),
    };
    let failed = overview.trials.iter().filter_map(|trial| Some((trial.number, trial.message.clone()?)));
    let unit = if overview.definition.objective.contains_key("folds") { "folds" } else { "seeds" };
    // The study of an automatic run is always called the same.
    let named = overview.auto.as_ref().filter(|auto| !auto.name.is_empty());
    let template = StudyTemplate {
        searched: was_searched(overview),
        unit,
        fresh: overview.confirmation.as_ref().map_or_else(|| unit.to_owned(), |found| format!("{}s", found.unit)),
        best: best.map(|best| Best {
            number: best.number,
            value: number(best.value),
            settings: best.point.iter().map(|(key, one)| (key.to_owned(), value(one))).collect(),
        }),
        winner: winner(overview),
        finding: overview.confirmation.as_ref().map(crate::Confirmation::sentence),
        confirmed: confirmed(overview),
        auto: overview.auto.as_ref().map(auto),
        compared: compared(overview),
        history: charts::history(overview),
        importances: importances(overview).and_then(|found| {
            let at = found.rung.map_or_else(|| " at their end".to_owned(), |rung| format!(" after epoch {rung}"));
            Some(Found { trials: found.trials, at, chart: charts::importances(&found)? })
        }),
        slices: charts::slices(overview).into_iter().take(MOST_SLICES).collect(),
        parallel: charts::parallel(overview),
        spent: spent(overview),
        allowed: allowed(overview),
        trials: ranking.iter().take(MOST_TRIALS).map(row).collect(),
        left_out: ranking.len().saturating_sub(MOST_TRIALS),
        problems: failed.take(MOST_TRIALS).collect(),
        texts: overview.texts.clone(),
        keys,
    };
    let frame = Frame {
        kind: if overview.auto.is_some() { "automatic run" } else { "study" },
        name: named.map_or(&overview.name, |auto| &auto.name),
        synthetic: overview.manifest.as_ref().is_some_and(medley_core::record::Manifest::is_synthetic),
        unfinished: false,
        summary: summary(overview),
        date: None,
        not_clinical: NOT_CLINICAL,
        licences: String::new(),
        contents: contents(&template),
        source: "the folder of the study",
        body: Fragment::render(&template)?,
    };
    Ok(frame.render()?)
}

fn contents(page: &StudyTemplate) -> Vec<(&'static str, &'static str)> {
    let all = [
        (page.searched, "result", "Result"),
        (page.auto.is_some(), "auto", "Automatic run"),
        (page.history.is_some(), "history", "Optimisation history"),
        (page.importances.is_some(), "importance", "Importance"),
        (!page.slices.is_empty(), "slices", "Slices"),
        (page.parallel.is_some(), "parallel", "Parallel coordinates"),
        (page.searched, "budget", "Budget"),
        (!page.trials.is_empty(), "trials", "Trials"),
        (true, "reproduce", "What was studied"),
    ];
    all.into_iter().filter(|(there, ..)| *there).map(|(_, id, title)| (id, title)).collect()
}

fn summary(overview: &Overview) -> String {
    let mut parts = Vec::new();
    if was_searched(overview) {
        parts.push(plural(overview.trials.len(), "trial"));
        parts.push(plural(overview.definition.space.dimensions().len(), "setting"));
    }
    if let Some(manifest) = &overview.manifest {
        parts.extend(manifest.data.iter().take(4).map(|data| data.task.name.clone()));
        if manifest.data.len() > 4 {
            parts.push(format!("and {} more", manifest.data.len() - 4));
        }
    }
    parts.join(" · ")
}

/// An automatic run with little time searches nothing.
fn was_searched(overview: &Overview) -> bool {
    overview.auto.is_none() || !overview.trials.is_empty()
}

fn compared(overview: &Overview) -> String {
    let (rung, compared) = overview.comparable();
    let at = rung.map_or_else(|| "at their end".to_owned(), |rung| format!("after epoch {rung}"));
    format!("{} can be compared {at}.", plural(compared.len(), "trial"))
}

fn winner(overview: &Overview) -> Option<Winner> {
    let confirmation = overview.confirmation.as_ref()?;
    let (first, base) = (confirmation.candidates.first()?, confirmation.candidates.last()?);
    let against = confirmation.comparisons().pop()?;
    let ends = against.interval.map_or_else(String::new, |interval| {
        format!(", 95 % interval {} to {}", signed(interval.low), signed(interval.high))
    });
    Some(Winner { mean: number(first.mean()), base: number(base.mean()), difference: signed(against.difference), ends })
}

fn confirmed(overview: &Overview) -> Vec<Confirmed> {
    let Some(confirmation) = &overview.confirmation else { return Vec::new() };
    let comparisons = confirmation.comparisons();
    let row = |(index, candidate): (usize, &crate::confirmation::Candidate)| {
        let comparison = index.checked_sub(1).and_then(|index| comparisons.get(index));
        let difference = comparison.map(|one| {
            let ends = one
                .interval
                .map_or_else(String::new, |interval| format!(" [{}, {}]", signed(interval.low), signed(interval.high)));
            format!("{}{ends}", signed(one.difference))
        });
        Confirmed {
            name: candidate.name(),
            value: candidate.value.map_or_else(|| NONE.to_owned(), number),
            mean: number(candidate.mean()),
            difference: difference.unwrap_or_else(|| NONE.to_owned()),
        }
    };
    confirmation.candidates.iter().enumerate().map(row).collect()
}

fn auto(record: &AutoRecord) -> Auto {
    let share = record.spent / record.budget.max(1e-9) * 100.0;
    let mut summary = format!("{} of {} were spent ({share:.1} %).", duration(record.spent), duration(record.budget));
    if let (Some(winner), Some(base)) = record.means() {
        let _ = write!(
            summary,
            " Single networks: {} by the best settings, {} by the default recipe.",
            number(winner),
            number(base)
        );
    }
    if let (Some(score), Some(method)) = (record.ensemble_score, &record.method) {
        let _ = write!(
            summary,
            " The ensemble ({method}) has a harmonic mean of macro-F1 of {} on the validation split.",
            number(score)
        );
    }
    if let Some(left_out) = record.left_out() {
        let _ = write!(summary, " Left out: {left_out}.");
    }
    let rule = |rule: &RuleRecord| match rule.rule.as_str() {
        "plain" => format!("{}: the plain rule stays ({})", rule.task, number(rule.plain_macro_f1)),
        name => format!("{}: {name}, {} in place of {}", rule.task, number(rule.macro_f1), number(rule.plain_macro_f1)),
    };
    Auto {
        summary,
        finding: record.finding.clone(),
        audit: record.audit.clone(),
        test: record.test.as_ref().map(|test| tested(test, record)),
        phases: record.phases.iter().map(|phase| (phase.name.clone(), duration(phase.seconds))).collect(),
        members: record.members.iter().map(|member| (member.name.clone(), number(member.score))).collect(),
        rules: record.rules.iter().map(rule).collect(),
    }
}

/// What the test split says, and how many trials were compared before it was opened.
fn tested(test: &ScoreSet, record: &AutoRecord) -> String {
    let of = |task: &medley_core::record::TaskResult| {
        let auc = task.auc.map_or_else(|| NONE.to_owned(), number);
        format!(
            "{}: AUC {auc}, accuracy {}, macro-F1 {} on {} images",
            task.task,
            number(task.accuracy),
            number(task.macro_f1),
            count(task.rows as u64)
        )
    };
    let tasks: Vec<String> = test.tasks.iter().map(of).collect();
    format!(
        "The test split was opened once, for the ensemble, by the plain rule, after {} were compared on validation images: {}.",
        plural(record.trials, "trial"),
        tasks.join("; ")
    )
}

fn spent(overview: &Overview) -> Vec<Spent> {
    let row = |name: &str, trials: Vec<&TrialOverview>| {
        let epochs: u64 = trials.iter().filter_map(|trial| trial.rung()).sum();
        let seconds: f64 = trials.iter().map(|trial| trial.seconds).sum();
        Spent {
            state: name.to_owned(),
            trials: count(trials.len() as u64),
            epochs: count(epochs),
            time: duration(seconds),
        }
    };
    let mut rows: Vec<Spent> = (overview.status.counts.keys())
        .map(|wanted| row(state(*wanted), overview.trials.iter().filter(|trial| trial.state == *wanted).collect()))
        .collect();
    rows.push(Spent { time: duration(overview.status.seconds), ..row("all", overview.trials.iter().collect()) });
    rows
}

fn allowed(overview: &Overview) -> String {
    let trials = overview.status.budget.map(|trials| plural(trials as usize, "trial"));
    let time = overview.status.seconds_allowed.map(|seconds| format!("{} of workers", duration(seconds)));
    let limits: Vec<String> = trials.into_iter().chain(time).collect();
    format!(
        "The study may have {}. A worker that was killed has lost the record of its last seconds.",
        limits.join(" and ")
    )
}

fn state(state: TrialState) -> &'static str {
    match state {
        TrialState::Running => "running",
        TrialState::Waiting => "waiting",
        TrialState::Paused => "paused",
        TrialState::Finished => "finished",
        TrialState::Pruned => "pruned",
        TrialState::Failed => "failed",
    }
}

fn number(value: f64) -> String {
    format!("{value:.4}").replace('-', "−")
}

/// A setting as people write it.
fn value(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Float(number) => short(*number),
        other => other.to_string(),
    }
}

/// Three digits of a number.
fn short(number: f64) -> String {
    let magnitude = number.abs();
    if number == 0.0 {
        "0".to_owned()
    } else if (1e-3..1e5).contains(&magnitude) {
        let decimals = (2 - magnitude.log10().floor() as i32).clamp(0, 8) as usize;
        let text = format!("{number:.decimals$}");
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
    } else {
        format!("{number:.2e}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_have_three_digits() {
        let shown = [0.0, 0.05, 0.012_345, 3.0, 12_345.6, 1e-5, -0.5].map(short);
        assert_eq!(shown, ["0", "0.05", "0.0123", "3", "12346", "1.00e-5", "-0.5"]);
    }
}
