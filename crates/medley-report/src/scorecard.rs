//! The tables of `medley score` and `medley compare`, as text, Markdown and LaTeX.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use medley_core::record::Interval;
use medley_core::{Origin, Split};
use medley_metrics::baselines::SelectedOn;
use medley_metrics::bootstrap::NoInterval;
use medley_metrics::scorecard::{
    ComparisonCard, Difference, MetricScore, PairComparison, PredictorScore, PublishedRow, Scorecard, SeedSummary,
    TaskScore,
};

use medley_metrics::undefined_auc;

use crate::format::{self, MEAN_DECIMALS, NONE, TASK_DECIMALS, number};
use crate::tables::{Table, escape_markdown, one_line};

/// How a table is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For a terminal.
    Text,
    /// Pipe tables.
    Markdown,
    /// `tabular` environments with `booktabs` rules.
    Latex,
}

/// Which published results are written beside ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShowPublished {
    /// None.
    None,
    /// For each task the official ResNet-18 and the best by accuracy and by macro-F1, of those that we can be compared with: from
    /// images no larger than ours, and not selected on the test split.
    Best,
    /// All that are known.
    All,
}

/// What of a scorecard is written beside its metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Show {
    /// Published results.
    pub published: ShowPublished,
    /// Every class, and calibration by how rare the true class is.
    pub details: bool,
}

/// Metrics that stand beside each other; more of them stand below each other.
const WIDEST: usize = 5;

/// A heading, a table, and the sentences under it.
struct Block {
    heading: String,
    table: Table,
    sentences: Vec<String>,
}

/// Writes a scorecard, the result first: ensembles and single predictors, then means over seeds, then each seed by itself.
pub fn render_scorecard(card: &Scorecard, format: Format, show: Show) -> String {
    let of_a_mean = |predictor: &&PredictorScore| {
        let stem = predictor.predictor.rsplit_once("-seed").map(|(stem, _)| stem);
        card.seeds.iter().any(|mean| Some(mean.predictor.as_str()) == stem && mean.split == predictor.split)
    };
    let (of_means, alone): (Vec<&PredictorScore>, Vec<&PredictorScore>) = card.predictors.iter().partition(of_a_mean);
    let blocks_of = |predictor: &PredictorScore| {
        let mut blocks = vec![metrics(predictor, show.published)];
        if show.details {
            blocks.push(classes(predictor));
            blocks.extend(calibration(predictor));
        }
        blocks
    };
    let mut blocks: Vec<Block> = alone.into_iter().flat_map(blocks_of).collect();
    blocks.extend(card.seeds.iter().map(over_seeds));
    blocks.extend(of_means.into_iter().flat_map(blocks_of));
    blocks.extend(published(&card.predictors, show.published));
    if let Some(last) = blocks.last_mut() {
        let all_of_test = card.predictors.iter().all(|predictor| predictor.split == Split::Test);
        let images = if all_of_test { "test images" } else { "images" };
        last.sentences.push(format!(
            "In parentheses: {} bootstrap intervals over the {images} (percentiles of {} resamples, stratified by class, seed {}).",
            format::confidence(card.resampling.confidence),
            card.resampling.resamples,
            card.resampling.seed
        ));
    }
    join(&blocks, format)
}

/// Writes a comparison.
pub fn render_comparison(card: &ComparisonCard, format: Format) -> String {
    let mut blocks: Vec<Block> = card.pairs.iter().map(|pair| differences(pair, card)).collect();
    if let Some(last) = blocks.last_mut() {
        last.sentences.extend(card.remarks.iter().cloned());
    }
    join(&blocks, format)
}

fn metrics(predictor: &PredictorScore, show: ShowPublished) -> Block {
    let mut titles: Vec<&'static str> = Vec::new();
    for metric in predictor.tasks.iter().flat_map(|task| &task.metrics) {
        if !titles.contains(&metric.title) {
            titles.push(metric.title);
        }
    }
    let heading = format!("{} ({})", predictor.predictor, predictor.split);
    let table =
        if titles.len() > WIDEST { one_metric_a_line(predictor) } else { beside_each_other(predictor, &titles) };
    Block { heading, table, sentences: sentences(predictor, show) }
}

fn beside_each_other(predictor: &PredictorScore, titles: &[&'static str]) -> Table {
    let mut table = Table::new(&[&["task", "images"], titles].concat());
    for task in &predictor.tasks {
        let of = |title: &&str| {
            let found = task.metrics.iter().find(|metric| metric.title == *title);
            found.map_or(NONE.to_owned(), |metric| with_interval(metric, TASK_DECIMALS))
        };
        table.push([task.task.clone(), task.rows.to_string()].into_iter().chain(titles.iter().map(of)));
    }
    table
}

fn one_metric_a_line(predictor: &PredictorScore) -> Table {
    let mut table = Table::new(&["task", "images", "metric", "key", "value"]);
    for task in &predictor.tasks {
        for metric in &task.metrics {
            let names = [metric.title, metric.id].map(str::to_owned);
            let start = [task.task.clone(), task.rows.to_string()];
            table.push(start.into_iter().chain(names).chain([with_interval(metric, TASK_DECIMALS)]));
        }
    }
    table
}

fn sentences(predictor: &PredictorScore, show: ShowPublished) -> Vec<String> {
    let mut sentences = Vec::new();
    if let Some(mean) = &predictor.harmonic_mean {
        sentences.push(format!(
            "Harmonic mean of the macro-F1 of {}: {}",
            format::plural(predictor.tasks.len(), "task"),
            with_interval(mean, MEAN_DECIMALS)
        ));
    }
    if let Some(lenient) = predictor.harmonic_mean_without_zeros {
        sentences.push(format!(
            "A task with macro-F1 0 makes the harmonic mean 0. Without such tasks, as two public entries compute it, it is \
             {lenient:.4}; do not report that."
        ));
    }
    for mean in predictor.published.iter().filter(|_| show != ShowPublished::None) {
        sentences
            .push(format!("  published: {:.4}  {} ({}, {})", mean.value, mean.method, mean.source, mean.measured_on));
    }
    for task in &predictor.tasks {
        sentences.extend(task.remarks.iter().map(|remark| format!("{}: {remark}", task.task)));
        if !task.never_predicted.is_empty() {
            sentences.push(format!("{}: never predicted: {}", task.task, task.never_predicted.join(", ")));
        }
    }
    sentences.extend(without_interval(&predictor.tasks));
    for task in predictor.tasks.iter().filter(|task| task.metrics.iter().any(is_auc_without_value)) {
        let reason = undefined_auc(task.rows, &task.per_class);
        sentences.extend(reason.map(|reason| format!("{}: the AUC is not defined, as {reason}.", task.task)));
    }
    let synthetic: Vec<&str> = (predictor.tasks.iter())
        .filter(|task| task.origin == Origin::Synthetic)
        .map(|task| task.task.as_str())
        .collect();
    if !synthetic.is_empty() {
        let tasks = format::list(&synthetic);
        sentences
            .push(format!("SYNTHETIC images of {tasks}: the results say nothing about medicine or the benchmark."));
    }
    sentences.extend(detectable(&predictor.tasks));
    sentences
}

fn is_auc_without_value(metric: &MetricScore) -> bool {
    metric.id == "auc" && metric.value.is_none()
}

/// Metrics that have a value and no interval, by reason.
fn without_interval(tasks: &[TaskScore]) -> Vec<String> {
    let reasons = [
        (
            NoInterval::Constant,
            "every resample gives the same value, as where a predictor always says one class or makes no mistake, so resampling \
             cannot tell how far it would move",
        ),
        (NoInterval::Undefined, "some resamples leave it undefined"),
    ];
    let all = |reason: NoInterval| -> Vec<String> {
        let metrics = tasks.iter().flat_map(|task| task.metrics.iter().map(move |metric| (task, metric)));
        let found = metrics.filter(|(_, metric)| metric.no_interval == Some(reason));
        found.map(|(task, metric)| format!("{} {}", task.task, metric.title)).collect()
    };
    let found = reasons.into_iter().map(|(reason, words)| (all(reason), words)).filter(|(all, _)| !all.is_empty());
    found.map(|(all, words)| format!("No interval of {}: {words}.", format::list(&all))).collect()
}

fn detectable(tasks: &[TaskScore]) -> Option<String> {
    let known: Vec<String> = tasks
        .iter()
        .filter_map(|task| Some(format!("{} {:.TASK_DECIMALS$}", task.task, task.detectable_difference?)))
        .collect();
    (!known.is_empty()).then(|| {
        format!(
            "Smallest difference in macro-F1 that a test would find (80 % power) against a model scored on other images: {}. On \
             the same images, `medley compare` finds smaller ones.",
            known.join(", ")
        )
    })
}

fn classes(predictor: &PredictorScore) -> Block {
    let mut table = Table::new(&["task", "class", "true", "predicted", "precision", "recall", "F1"]);
    for task in &predictor.tasks {
        for class in &task.per_class {
            let shares = [class.precision, class.recall, class.f1].map(|value| number(Some(value), TASK_DECIMALS));
            let counts = [class.support.to_string(), class.predicted.to_string()];
            table.push([task.task.clone(), class.name.clone()].into_iter().chain(counts).chain(shares));
        }
    }
    Block { heading: "Classes".to_owned(), table, sentences: Vec::new() }
}

fn calibration(predictor: &PredictorScore) -> Option<Block> {
    let mut table = Table::new(&["task", "classes", "images", "confidence", "accuracy", "ECE"]);
    for task in &predictor.tasks {
        for group in &task.calibration {
            let values = [group.confidence, group.accuracy, group.ece].map(|value| number(Some(value), TASK_DECIMALS));
            let start = [task.task.clone(), group.group.to_owned(), group.rows.to_string()];
            table.push(start.into_iter().chain(values));
        }
    }
    (!table.rows.is_empty()).then(|| Block {
        heading: "Calibration by how rare the true class is".to_owned(),
        table,
        sentences: vec!["Thirds of the classes by their number of images here.".to_owned()],
    })
}

fn over_seeds(summary: &SeedSummary) -> Block {
    let mut table = Table::new(&["task", "metric", "seeds", "mean", "deviation", "bootstrap interval", "t-interval"]);
    for (task, id, mean) in &summary.rows {
        let decimals = if *id == "harmonic_mean" { MEAN_DECIMALS } else { TASK_DECIMALS };
        table.push([
            task.clone(),
            (*id).to_owned(),
            mean.count.to_string(),
            number(Some(mean.mean), 4),
            number(mean.standard_deviation, 4),
            format::interval(mean.bootstrap.as_ref(), decimals),
            format::interval(mean.interval.as_ref(), decimals),
        ]);
    }
    Block {
        heading: format!("{} ({}), mean over seeds", summary.predictor, summary.split),
        table,
        sentences: vec![
            "The bootstrap interval asks how the mean would move on other test images, the t-interval how it would move with other \
             seeds."
                .to_owned(),
        ],
    }
}

/// Once for each task, however many predict it.
fn published(predictors: &[PredictorScore], show: ShowPublished) -> Option<Block> {
    if show == ShowPublished::None {
        return None;
    }
    let header = ["task", "method", "AUC", "ACC", "macro-F1", "pixels", "pretrained", "selected on"];
    let (mut table, mut seen, mut hidden) = (Table::new(&header), BTreeSet::new(), 0);
    for task in predictors.iter().flat_map(|predictor| &predictor.tasks) {
        if !seen.insert(&task.task) {
            continue;
        }
        let rows = if show == ShowPublished::All { task.published.iter().collect() } else { best(task) };
        hidden += task.published.len() - rows.len();
        for row in rows {
            table.push(published_row(task, row));
        }
    }
    let mut sentences =
        vec!["A value with ? was not checked against the printed source. Sources: data/baselines.toml.".to_owned()];
    if hidden > 0 {
        sentences
            .push(format!("{} not shown; --baselines all shows them.", format::plural(hidden, "more published row")));
    }
    (!table.rows.is_empty()).then(|| Block { heading: "Published on these tasks".to_owned(), table, sentences })
}

/// See [`ShowPublished::Best`]; in the order in which they are known.
fn best(task: &TaskScore) -> Vec<&PublishedRow> {
    let comparable: Vec<&PublishedRow> = (task.published.iter())
        .filter(|row| row.resolution <= task.size && row.selected_on != SelectedOn::Test)
        .collect();
    let highest = |metric: fn(&PublishedRow) -> Option<f64>| {
        let known = comparable.iter().filter_map(|row| Some((metric(row)?, *row)));
        // The first of equals.
        known.fold(None, |best: Option<(f64, &PublishedRow)>, next| match best {
            Some(best) if best.0 >= next.0 => Some(best),
            _ => Some(next),
        })
    };
    let chosen: Vec<&PublishedRow> = [
        comparable.iter().find(|row| row.method.starts_with("ResNet-18")).copied(),
        highest(|row| row.metrics.accuracy).map(|best| best.1),
        highest(|row| row.metrics.macro_f1).map(|best| best.1),
    ]
    .into_iter()
    .flatten()
    .collect();
    comparable.into_iter().filter(|row| chosen.iter().any(|one| std::ptr::eq(*one, *row))).collect()
}

fn published_row(task: &TaskScore, row: &PublishedRow) -> [String; 8] {
    let mark = if row.metrics.verified { "" } else { "?" };
    let cell = |value: Option<f64>| value.map_or(NONE.to_owned(), |value| format!("{value:.3}{mark}"));
    let selected_on = match row.selected_on {
        SelectedOn::Validation => "val",
        SelectedOn::Test => "TEST",
        SelectedOn::Unknown => "?",
    };
    [
        task.task.clone(),
        row.method.clone(),
        cell(row.metrics.auc),
        cell(row.metrics.accuracy),
        cell(row.metrics.macro_f1),
        row.resolution.to_string(),
        if row.pretrained { "yes" } else { "no" }.to_owned(),
        selected_on.to_owned(),
    ]
}

fn differences(pair: &PairComparison, card: &ComparisonCard) -> Block {
    let header = [
        "task",
        "images",
        "metric",
        "A",
        "B",
        "A - B",
        "interval",
        "p",
        "test",
        "p (Holm)",
        "significant",
        "detectable",
    ];
    let mut table = Table::new(&header);
    let mut all: Vec<&Difference> = Vec::new();
    for task in &pair.tasks {
        for difference in &task.differences {
            table.push(difference_row(&task.task, task.rows.to_string(), difference));
            all.push(difference);
        }
    }
    if let Some(difference) = &pair.harmonic_mean {
        table.push(difference_row("all", String::new(), difference));
        all.push(difference);
    }
    let significant = all.iter().filter(|difference| difference.survives).count();
    let tested = all.iter().filter(|difference| difference.p_holm.is_some()).count();
    let confidence = card.resampling.confidence;
    let parted = pair.tasks.iter().flat_map(|task| task.differences.iter().map(|one| (task.task.as_str(), one)));
    let parted = parted.chain(pair.harmonic_mean.iter().map(|one| ("all", one)));
    let parted: Vec<String> = parted
        .filter(|(_, difference)| difference.interval_disagrees(confidence))
        .map(|(task, difference)| format!("{task} {}", difference.title))
        .collect();
    let mut sentences = vec![
        format!(
            "{significant} of {tested} differences are significant at 5 % after Holm's correction, for each metric over all tasks and \
             pairs."
        ),
        format!(
            "Intervals, {}: of AUC by DeLong's standard error, where it is tested so; else of {} paired bootstrap resamples (stratified by \
             class, seed {}). Detectable: the smallest difference that a test on these images would find with 80 % power.",
            format::confidence(confidence),
            card.resampling.resamples,
            card.resampling.seed
        ),
    ];
    if !parted.is_empty() {
        sentences.push(format!(
            "Interval and uncorrected p do not agree on whether there is a difference: {}. The interval asks how the \
             difference would move on other images of the same classes, the test how often it would be as large if it did not \
             matter who predicted what. Where they part the evidence is weak: go by p.",
            parted.join(", ")
        ));
    }
    Block { heading: format!("A = {}, B = {} ({})", pair.a, pair.b, pair.split), table, sentences }
}

fn difference_row(task: &str, images: String, difference: &Difference) -> [String; 12] {
    let decimals = if difference.id == "harmonic_mean" { MEAN_DECIMALS } else { TASK_DECIMALS };
    let ends = difference.low.zip(difference.high);
    [
        task.to_owned(),
        images,
        difference.title.to_owned(),
        number(difference.a, decimals),
        number(difference.b, decimals),
        difference.difference.map_or(NONE.to_owned(), |value| format::difference(value, decimals)),
        ends.map_or(NONE.to_owned(), |(low, high)| {
            format!("{} to {}", format::difference(low, decimals), format::difference(high, decimals))
        }),
        p_value(difference.p),
        difference.test.to_owned(),
        p_value(difference.p_holm),
        if difference.survives { "yes" } else { "no" }.to_owned(),
        number(difference.detectable, decimals),
    ]
}

fn join(blocks: &[Block], format: Format) -> String {
    let blocks: Vec<String> = blocks
        .iter()
        .map(|block| match format {
            Format::Text => text(block),
            Format::Markdown => markdown(block),
            Format::Latex => latex(block),
        })
        .collect();
    blocks.join("\n\n")
}

fn text(block: &Block) -> String {
    let mut lines = vec![block.heading.clone(), block.table.text()];
    lines.extend(block.sentences.iter().cloned());
    lines.join("\n")
}

fn markdown(block: &Block) -> String {
    let mut written = format!("### {}\n\n{}", escape_markdown(&block.heading), block.table.markdown());
    for sentence in &block.sentences {
        let _ = write!(written, "\n- {}", escape_markdown(sentence.trim_start()));
    }
    written
}

fn latex(block: &Block) -> String {
    let mut written = format!("% {}\n{}", one_line(&block.heading), block.table.latex());
    for sentence in &block.sentences {
        let _ = write!(written, "\n% {}", one_line(sentence));
    }
    written
}

/// `0.873 (0.801–0.936)`.
fn with_interval(metric: &MetricScore, decimals: usize) -> String {
    let interval = metric.low.zip(metric.high).map(|(low, high)| Interval { low, high });
    let interval = interval.map_or(String::new(), |ends| format!(" ({})", format::interval(Some(&ends), decimals)));
    format!("{}{interval}", number(metric.value, decimals))
}

fn p_value(p: Option<f64>) -> String {
    match p {
        None => NONE.to_owned(),
        Some(p) if p < 0.0001 => "<0.0001".to_owned(),
        Some(p) => format!("{p:.4}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p_values_are_never_zero() {
        assert_eq!(
            (p_value(Some(0.000_01)), p_value(Some(0.25)), p_value(None)),
            ("<0.0001".into(), "0.2500".into(), "–".into())
        );
    }

    #[test]
    fn blocks_cannot_be_broken_out_of() {
        let mut table = Table::new(&["p", "x"]);
        table.push([p_value(Some(0.0)), "a|b".to_owned()]);
        let block = Block { heading: "a | b".into(), table, sentences: vec!["100 % sure\nreally".into()] };
        assert!(markdown(&block).starts_with("### a \\| b"));
        let latex = latex(&block);
        assert!(latex.ends_with("% 100 % sure really") && latex.contains("\\textless{}0.0001"), "{latex}");
        assert!(!latex.contains('<'));
    }
}
