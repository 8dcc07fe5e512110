//! Scorecards as text, Markdown and LaTeX.

use std::fmt::Write as _;

use medley_core::Origin;

use medley_metrics::baselines::SelectedOn;
use medley_metrics::scorecard::{
    ComparisonCard, Difference, Figure, PairComparison, PredictorScore, Scorecard, TaskScore,
};

/// How a card is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For a terminal.
    Text,
    /// Pipe tables.
    Markdown,
    /// `tabular` environments with `booktabs` rules.
    Latex,
}

/// What of a scorecard is written beside its figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Show {
    /// The published rows.
    pub published: bool,
    /// Every class, calibration by how rare the true class is, and published rows of larger images.
    pub details: bool,
}

/// Figures that stand beside each other; more of them stand below each other.
const WIDEST: usize = 5;
/// Where there is no figure.
const NONE: &str = "-";

/// A heading, a table, and the sentences under it.
struct Block {
    heading: String,
    header: Vec<String>,
    rows: Vec<Vec<String>>,
    sentences: Vec<String>,
}

/// Writes a scorecard.
pub fn render_scorecard(card: &Scorecard, format: Format, show: Show) -> String {
    let mut blocks = Vec::new();
    for predictor in &card.predictors {
        blocks.push(figures(predictor));
        if show.details {
            blocks.push(classes(predictor));
            blocks.extend(calibration(predictor));
        }
    }
    for summary in &card.seeds {
        let rows = summary.rows.iter().map(|(task, id, mean)| {
            let interval = mean.interval.map_or(NONE.to_owned(), |interval| range(interval.low, interval.high, 3));
            let deviation = number(mean.standard_deviation, 4);
            vec![
                task.clone(),
                (*id).to_owned(),
                mean.count.to_string(),
                number(Some(mean.mean), 4),
                deviation,
                interval,
            ]
        });
        blocks.push(Block {
            heading: format!("{} ({}), over seeds", summary.predictor, summary.split),
            header: strings(&["task", "figure", "seeds", "mean", "deviation", "t-interval"]),
            rows: rows.collect(),
            sentences: vec!["The t-interval is of the mean over seeds, on these images.".to_owned()],
        });
    }
    blocks.extend(show.published.then(|| published_rows(&card.predictors, show.details)).flatten());
    if let Some(last) = blocks.last_mut() {
        let confidence = (card.resampling.confidence * 100.0).round();
        last.sentences.push(format!(
            "In brackets: {confidence} % intervals over the images, from {} stratified bootstrap resamples (seed {}).",
            card.resampling.resamples, card.resampling.seed
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

fn figures(predictor: &PredictorScore) -> Block {
    let mut titles: Vec<&'static str> = Vec::new();
    for figure in predictor.tasks.iter().flat_map(|task| &task.figures) {
        if !titles.contains(&figure.title) {
            titles.push(figure.title);
        }
    }
    let mut header = strings(&["task", "images"]);
    header.extend(titles.iter().map(ToString::to_string));
    let heading = format!("{} ({})", predictor.predictor, predictor.split);
    if titles.len() > WIDEST {
        return upright(heading, predictor);
    }
    let row = |task: &TaskScore| {
        let mut row = vec![task.task.clone(), task.rows.to_string()];
        let of = |title: &&str| {
            task.figures.iter().find(|figure| figure.title == *title).map_or(NONE.to_owned(), with_interval)
        };
        row.extend(titles.iter().map(of));
        row
    };
    Block { heading, header, rows: predictor.tasks.iter().map(row).collect(), sentences: sentences(predictor) }
}

/// One figure on each line.
fn upright(heading: String, predictor: &PredictorScore) -> Block {
    let mut rows = Vec::new();
    for task in &predictor.tasks {
        let lines = task.figures.iter().map(|figure| {
            vec![
                task.task.clone(),
                task.rows.to_string(),
                figure.title.to_owned(),
                figure.id.to_owned(),
                with_interval(figure),
            ]
        });
        rows.extend(lines);
    }
    let header = strings(&["task", "images", "figure", "key", "value"]);
    Block { heading, header, rows, sentences: sentences(predictor) }
}

fn sentences(predictor: &PredictorScore) -> Vec<String> {
    let mut said = Vec::new();
    if let Some(mean) = &predictor.harmonic_mean {
        let interval = mean.low.zip(mean.high).map_or(String::new(), |(low, high)| format!(" {}", range(low, high, 4)));
        let tasks = predictor.tasks.len();
        said.push(format!("Harmonic mean of the macro-F1 of {tasks} tasks: {}{interval}", number(mean.value, 4)));
    }
    if let Some(lenient) = predictor.harmonic_mean_without_zeros {
        said.push(format!(
            "A task with macro-F1 0 makes the harmonic mean 0. Left out, as two public entries do, it is {lenient:.4}: no \
             figure to report."
        ));
    }
    for mean in &predictor.published {
        said.push(format!("  published: {:.4}  {} ({}, {})", mean.value, mean.method, mean.source, mean.measured_on));
    }
    for task in &predictor.tasks {
        said.extend(task.remarks.iter().map(|remark| format!("{}: {remark}", task.task)));
        if !task.never_predicted.is_empty() {
            said.push(format!("{}: never predicted: {}", task.task, task.never_predicted.join(", ")));
        }
        if task.origin == Origin::Synthetic {
            said.push(format!(
                "{}: SYNTHETIC images; the figures say nothing of medicine or of the benchmark",
                task.task
            ));
        }
    }
    let detectable: Vec<String> = predictor
        .tasks
        .iter()
        .filter_map(|task| Some(format!("{} {:.3}", task.task, task.detectable_difference?)))
        .collect();
    if !detectable.is_empty() {
        said.push(format!(
            "To be told apart from a model that is scored on other images (80 % power), macro-F1 must differ by: {}. On the \
             same images `medley compare` sees smaller differences.",
            detectable.join(", ")
        ));
    }
    said
}

fn classes(predictor: &PredictorScore) -> Block {
    let mut rows = Vec::new();
    for task in &predictor.tasks {
        rows.extend(task.per_class.iter().map(|class| {
            let figures = [class.precision, class.recall, class.f1].map(|value| number(Some(value), 3));
            let counts = [class.support.to_string(), class.predicted.to_string()];
            [vec![task.task.clone(), class.name.clone()], counts.to_vec(), figures.to_vec()].concat()
        }));
    }
    let header = strings(&["task", "class", "true", "predicted", "precision", "recall", "F1"]);
    Block { heading: "Classes".to_owned(), header, rows, sentences: Vec::new() }
}

fn calibration(predictor: &PredictorScore) -> Option<Block> {
    let mut rows = Vec::new();
    for task in &predictor.tasks {
        rows.extend(task.calibration.iter().map(|group| {
            let figures = [group.confidence, group.accuracy, group.ece].map(|value| number(Some(value), 3));
            [vec![task.task.clone(), group.group.to_owned(), group.rows.to_string()], figures.to_vec()].concat()
        }));
    }
    (!rows.is_empty()).then(|| Block {
        heading: "Calibration by how rare the true class is".to_owned(),
        header: strings(&["task", "classes", "images", "confidence", "accuracy", "ECE"]),
        rows,
        sentences: vec!["Thirds of the classes by their number of images here.".to_owned()],
    })
}

/// Once for each task, however many predict it. Rows of larger images than ours cannot be reached and are counted only, unless
/// `all` are wanted.
fn published_rows(predictors: &[PredictorScore], all: bool) -> Option<Block> {
    let (mut rows, mut seen, mut larger) = (Vec::new(), Vec::new(), 0);
    for task in predictors.iter().flat_map(|predictor| &predictor.tasks) {
        if seen.contains(&&task.task) {
            continue;
        }
        seen.push(&task.task);
        for row in &task.published {
            if row.resolution > task.size && !all {
                larger += 1;
                continue;
            }
            let mark = if row.figures.verified { "" } else { "?" };
            let cell = |value: Option<f64>| value.map_or(NONE.to_owned(), |value| format!("{value:.3}{mark}"));
            rows.push(vec![
                task.task.clone(),
                row.method.clone(),
                cell(row.figures.auc),
                cell(row.figures.accuracy),
                cell(row.figures.macro_f1),
                row.resolution.to_string(),
                if row.pretrained { "yes" } else { "no" }.to_owned(),
                match row.selected_on {
                    SelectedOn::Validation => "val",
                    SelectedOn::Test => "TEST",
                    SelectedOn::Unknown => "?",
                }
                .to_owned(),
            ]);
        }
    }
    let mut sentences = vec!["Figures with ? were not seen printed by us. Sources: data/baselines.toml.".to_owned()];
    if larger > 0 {
        sentences.push(format!("{larger} rows of larger images are left out; --details shows them."));
    }
    (!rows.is_empty()).then(|| Block {
        heading: "Published on these tasks".to_owned(),
        header: strings(&["task", "method", "AUC", "ACC", "macro-F1", "pixels", "pretrained", "selected on"]),
        rows,
        sentences,
    })
}

fn differences(pair: &PairComparison, card: &ComparisonCard) -> Block {
    let row = |task: &str, images: String, difference: &Difference| {
        let decimals = if difference.id == "harmonic_mean" { 4 } else { 3 };
        let interval = difference
            .low
            .zip(difference.high)
            .map_or(NONE.to_owned(), |(low, high)| signed_range(low, high, decimals));
        vec![
            task.to_owned(),
            images,
            difference.title.to_owned(),
            number(difference.a, decimals),
            number(difference.b, decimals),
            difference.difference.map_or(NONE.to_owned(), |value| signed(value, decimals)),
            interval,
            p_value(difference.p),
            difference.test.to_owned(),
            p_value(difference.p_holm),
            if difference.survives { "yes" } else { "no" }.to_owned(),
            number(difference.detectable, decimals),
        ]
    };
    let mut rows = Vec::new();
    for task in &pair.tasks {
        rows.extend(task.differences.iter().map(|difference| row(&task.task, task.rows.to_string(), difference)));
    }
    rows.extend(pair.harmonic_mean.iter().map(|difference| row("all", String::new(), difference)));
    let surviving = rows.iter().filter(|row| row[10] == "yes").count();
    let tested = rows.iter().filter(|row| row[9] != NONE).count();
    let confidence = (card.resampling.confidence * 100.0).round();
    Block {
        heading: format!("A = {}, B = {} ({})", pair.a, pair.b, pair.split),
        header: strings(&[
            "task",
            "images",
            "figure",
            "A",
            "B",
            "A - B",
            "interval",
            "p",
            "test",
            "p (Holm)",
            "survives",
            "detectable",
        ]),
        sentences: vec![
            format!("{surviving} of {tested} differences survive Holm's correction over tasks at 5 %."),
            format!(
                "Intervals: {confidence} % of {} paired bootstrap resamples (seed {}). Detectable: what these images would \
                 show with 80 % power.",
                card.resampling.resamples, card.resampling.seed
            ),
        ],
        rows,
    }
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
    let mut widths: Vec<usize> = block.header.iter().map(|cell| cell.chars().count()).collect();
    for row in &block.rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &[String]| {
        let padded: Vec<String> = cells.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    let mut lines = vec![block.heading.clone(), line(&block.header)];
    lines.extend(block.rows.iter().map(|row| line(row)));
    lines.extend(block.sentences.iter().cloned());
    lines.join("\n")
}

fn markdown(block: &Block) -> String {
    let escape = |cell: &String| cell.replace('\\', "\\\\").replace('|', "\\|").replace('<', "&lt;").replace('\n', " ");
    let line = |cells: &[String]| format!("| {} |", cells.iter().map(escape).collect::<Vec<_>>().join(" | "));
    let mut written = format!(
        "### {}\n\n{}\n|{}\n",
        escape(&block.heading),
        line(&block.header),
        " --- |".repeat(block.header.len())
    );
    for row in &block.rows {
        let _ = writeln!(written, "{}", line(row));
    }
    for sentence in &block.sentences {
        let _ = write!(written, "\n- {}", escape(&sentence.trim_start().to_owned()));
    }
    written
}

fn latex(block: &Block) -> String {
    let line = |cells: &[String]| {
        format!("{} \\\\", cells.iter().map(|cell| escape_latex(cell)).collect::<Vec<_>>().join(" & "))
    };
    let mut written = format!(
        "% {}\n\\begin{{tabular}}{{{}}}\n\\toprule\n{}\n\\midrule\n",
        block.heading.replace('\n', " "),
        "l".repeat(block.header.len()),
        line(&block.header)
    );
    for row in &block.rows {
        let _ = writeln!(written, "{}", line(row));
    }
    written.push_str("\\bottomrule\n\\end{tabular}");
    for sentence in &block.sentences {
        let _ = write!(written, "\n% {}", sentence.replace('\n', " "));
    }
    written
}

fn escape_latex(cell: &str) -> String {
    let mut escaped = String::with_capacity(cell.len());
    for letter in cell.chars() {
        match letter {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => escaped.extend(['\\', letter]),
            '\\' => escaped.push_str("\\textbackslash{}"),
            '~' => escaped.push_str("\\textasciitilde{}"),
            '^' => escaped.push_str("\\textasciicircum{}"),
            // A bracket at the start of a row would be an argument of the line break before it.
            '[' => escaped.push_str("{[}"),
            ']' => escaped.push_str("{]}"),
            letter if letter.is_control() => escaped.push(' '),
            letter => escaped.push(letter),
        }
    }
    escaped
}

fn with_interval(figure: &Figure) -> String {
    let interval = figure.low.zip(figure.high).map_or(String::new(), |(low, high)| format!(" {}", range(low, high, 3)));
    format!("{}{interval}", number(figure.value, 3))
}

fn number(value: Option<f64>, decimals: usize) -> String {
    value.map_or(NONE.to_owned(), |value| format!("{value:.decimals$}"))
}

fn signed(value: f64, decimals: usize) -> String {
    let text = format!("{value:+.decimals$}");
    // No signed zero.
    if text[1..].bytes().all(|byte| byte == b'0' || byte == b'.') { text[1..].to_owned() } else { text }
}

fn range(low: f64, high: f64, decimals: usize) -> String {
    format!("[{low:.decimals$}, {high:.decimals$}]")
}

fn signed_range(low: f64, high: f64, decimals: usize) -> String {
    format!("[{}, {}]", signed(low, decimals), signed(high, decimals))
}

fn p_value(p: Option<f64>) -> String {
    match p {
        None => NONE.to_owned(),
        Some(p) if p < 0.0001 => "<0.0001".to_owned(),
        Some(p) => format!("{p:.4}"),
    }
}

fn strings(cells: &[&str]) -> Vec<String> {
    cells.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_alike() {
        assert_eq!(
            (signed(0.0123, 3), signed(-0.0001, 3), signed(-0.5, 3)),
            ("+0.012".into(), "0.000".into(), "-0.500".into())
        );
        assert_eq!(
            (p_value(Some(0.000_01)), p_value(Some(0.25)), p_value(None)),
            ("<0.0001".into(), "0.2500".into(), "-".into())
        );
    }

    #[test]
    fn cells_cannot_break_out_of_their_table() {
        let block = Block {
            heading: "a | b".into(),
            header: strings(&["x_y", "50 %"]),
            rows: vec![strings(&["a|b", "\\evil{}"])],
            sentences: vec!["100 % sure\nreally".into()],
        };
        assert!(markdown(&block).contains("| a\\|b |"));
        let latex = latex(&block);
        assert!(latex.contains("x\\_y & 50 \\%") && latex.contains("\\textbackslash{}evil\\{\\}"), "{latex}");
        assert!(latex.ends_with("% 100 % sure really"));
    }
}
