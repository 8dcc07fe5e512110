//! Several runs in one table.
//!
//! Runs stand in one table only if they were scored on the same test files of the same tasks: a harmonic mean over three
//! tasks says nothing beside one over eleven, and drawn data nothing beside measured. Within a table the best comes first,
//! and runs whose interval holds the figure of the best (or the other way round) are marked as level with it. That is a
//! reading aid and no test: `medley compare` pairs predictions image by image and is far sharper.

use std::fmt::Write as _;
use std::path::PathBuf;

use askama::Template;
use medley_core::RunLayout;

use crate::format::{self, MEAN_DECIMALS, TASK_DECIMALS};
use crate::interval::Interval;
use crate::record::load_run;
use crate::text::{escape_markdown, pipe_table, space_table};
use crate::{Fragment, ReportError, RunRecord, facts};

/// What [`compare_runs`] found.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// One per set of tasks and test files, the largest set of tasks first.
    pub groups: Vec<ComparisonGroup>,
    /// Runs without results yet.
    pub unfinished: Vec<String>,
    /// Folders that could not be read, and why.
    pub skipped: Vec<(PathBuf, String)>,
}

/// Runs that can be compared.
#[derive(Debug, Clone, PartialEq)]
pub struct ComparisonGroup {
    /// Titles of the tasks.
    pub tasks: Vec<String>,
    /// Whether the data was drawn.
    pub synthetic: bool,
    /// The best first.
    pub rows: Vec<ComparisonRow>,
}

/// One run.
#[derive(Debug, Clone, PartialEq)]
pub struct ComparisonRow {
    /// Its name.
    pub run: String,
    /// When it was made, RFC 3339.
    pub created: String,
    /// Number of seeds.
    pub seeds: usize,
    /// Mean test harmonic mean over seeds.
    pub harmonic_mean: f64,
    /// Its standard deviation; `None` for one seed.
    pub standard_deviation: Option<f64>,
    /// 95 % interval of one seed.
    pub interval: Option<Interval>,
    /// Harmonic mean of the ensemble, if there are several seeds.
    pub ensemble: Option<f64>,
    /// Mean test macro-F1, in the order of the group's tasks.
    pub macro_f1: Vec<f64>,
    /// Whether its figure cannot be told from that of the best run by these intervals. True for the best.
    pub level_with_best: bool,
}

/// Reads the runs and sorts them into tables. A folder that cannot be read is listed with its reason and does not keep the
/// others from being compared.
pub fn compare_runs(runs: &[RunLayout]) -> Comparison {
    let mut comparison = Comparison { groups: Vec::new(), unfinished: Vec::new(), skipped: Vec::new() };
    let mut keys: Vec<Vec<(String, String)>> = Vec::new();
    for layout in runs {
        match load_run(layout) {
            Err(error) => comparison.skipped.push((layout.root().to_owned(), error.to_string())),
            Ok(run) if run.results.is_none() => comparison.unfinished.push(run.name().to_owned()),
            Ok(run) => {
                let key = key(&run);
                let at = keys.iter().position(|known| *known == key).unwrap_or_else(|| {
                    keys.push(key);
                    comparison.groups.push(empty_group(&run));
                    keys.len() - 1
                });
                comparison.groups[at].rows.push(row(&run));
            }
        }
    }
    for group in &mut comparison.groups {
        group.rank();
    }
    // Stable: among equals the order of the arguments stays.
    comparison.groups.sort_by_key(|group| std::cmp::Reverse(group.tasks.len()));
    comparison
}

/// The tasks by name with their files, in an order that does not depend on the config.
fn key(run: &RunRecord) -> Vec<(String, String)> {
    let mut key: Vec<_> = run.data().iter().map(|data| (data.task.name.clone(), data.sha256.clone())).collect();
    key.sort();
    key
}

/// Indices of the tasks, by name.
fn task_order(run: &RunRecord) -> Vec<usize> {
    let mut order: Vec<usize> = (0..run.data().len()).collect();
    let place = |index: usize| {
        let name = run.data()[index].task.name.as_str();
        let known = medley_core::COMPETITION_TASKS.iter().position(|task| *task == name);
        (known.unwrap_or(usize::MAX), name)
    };
    order.sort_by(|&a, &b| place(a).cmp(&place(b)));
    order
}

fn empty_group(run: &RunRecord) -> ComparisonGroup {
    let tasks = task_order(run).into_iter().map(|index| run.data()[index].task.title.clone()).collect();
    ComparisonGroup { tasks, synthetic: run.is_synthetic(), rows: Vec::new() }
}

fn row(run: &RunRecord) -> ComparisonRow {
    let results = run.results.as_ref();
    let seeds: Vec<_> = results.into_iter().flat_map(medley_core::record::RunResults::test_sets).collect();
    let mean = |figure: &dyn Fn(usize) -> f64| (0..seeds.len()).map(figure).sum::<f64>() / seeds.len().max(1) as f64;
    ComparisonRow {
        run: run.name().to_owned(),
        created: run.manifest.created.clone(),
        seeds: seeds.len(),
        harmonic_mean: mean(&|seed| seeds[seed].harmonic_mean),
        standard_deviation: run.spread("all", "harmonic_mean").and_then(|spread| spread.standard_deviation),
        interval: run.uncertainty().and_then(|all| all.one_seed.harmonic_mean),
        ensemble: results.and_then(|results| results.ensemble.as_ref()).map(|ensemble| ensemble.harmonic_mean),
        macro_f1: task_order(run).into_iter().map(|task| mean(&|seed| seeds[seed].tasks[task].macro_f1)).collect(),
        level_with_best: false,
    }
}

impl ComparisonGroup {
    fn rank(&mut self) {
        self.rows.sort_by(|a, b| b.harmonic_mean.total_cmp(&a.harmonic_mean).then_with(|| a.run.cmp(&b.run)));
        let Some(best) = self.rows.first() else { return };
        let (value, interval) = (best.harmonic_mean, best.interval);
        let holds = |interval: Option<Interval>, value| interval.is_some_and(|interval| interval.contains(value));
        for (index, row) in self.rows.iter_mut().enumerate() {
            row.level_with_best = index == 0 || holds(row.interval, value) || holds(interval, row.harmonic_mean);
        }
    }

    /// Header and rows as text.
    fn cells(&self) -> Vec<Vec<String>> {
        let mut header: Vec<String> =
            ["Run", "", "Seeds", "Harmonic mean", "95 %", "Ensemble"].map(str::to_owned).to_vec();
        header.extend(self.tasks.iter().map(|title| title.replace("MNIST", "")));
        let mut rows = vec![header];
        for row in &self.rows {
            let mean = format::figure(Some(row.harmonic_mean), MEAN_DECIMALS);
            let deviation = row.standard_deviation.map(|value| format!(" ± {value:.MEAN_DECIMALS$}"));
            let mut cells = vec![
                row.run.clone(),
                if row.level_with_best { "=" } else { "" }.to_owned(),
                row.seeds.to_string(),
                mean + &deviation.unwrap_or_default(),
                format::interval(row.interval.as_ref(), MEAN_DECIMALS),
                format::figure(row.ensemble, MEAN_DECIMALS),
            ];
            cells.extend(row.macro_f1.iter().map(|&value| format::figure(Some(value), TASK_DECIMALS)));
            rows.push(cells);
        }
        rows
    }

    fn title(&self) -> String {
        let synthetic = if self.synthetic { "SYNTHETIC DATA: " } else { "" };
        format!("{synthetic}{} on {}", format::plural(self.rows.len(), "run"), format::plural(self.tasks.len(), "task"))
    }
}

const LEGEND: &str = "Test harmonic mean of macro-F1, mean over seeds; then macro-F1 by task. = : not told from the first run by \
                      these intervals; `medley compare` tests differences image by image.";

impl Comparison {
    /// For a terminal.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for group in &self.groups {
            let _ = writeln!(text, "{}\n\n{}", group.title(), space_table(&group.cells()));
        }
        if !self.groups.is_empty() {
            let _ = writeln!(text, "{LEGEND}");
        }
        for line in self.remarks() {
            let _ = writeln!(text, "{line}");
        }
        text
    }

    /// For a README or an issue.
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        for group in &self.groups {
            let mut rows = group.cells();
            for row in &mut rows {
                row[0] = escape_markdown(&row[0]);
            }
            for title in rows[0].iter_mut().skip(6) {
                *title = escape_markdown(title);
            }
            let _ = writeln!(text, "### {}\n\n{}", group.title(), pipe_table(&rows));
        }
        if !self.groups.is_empty() {
            let _ = writeln!(text, "{LEGEND}\n\n{}", facts::NOT_CLINICAL);
        }
        for line in self.remarks() {
            let _ = writeln!(text, "- {}", escape_markdown(&line));
        }
        text
    }

    /// A self-contained page.
    ///
    /// # Errors
    /// [`ReportError::Render`].
    pub fn html(&self) -> Result<String, ReportError> {
        let groups = self.groups.iter().map(|group| {
            let mut cells = group.cells();
            let header = cells.remove(0);
            Table { title: group.title(), synthetic: group.synthetic, header, rows: cells }
        });
        let page = Page {
            groups: groups.collect(),
            legend: LEGEND,
            remarks: self.remarks(),
            not_clinical: facts::NOT_CLINICAL,
            style: crate::page::style(),
        };
        page.render().map_err(|source| ReportError::Render { section: "compare".to_owned(), source })
    }

    fn remarks(&self) -> Vec<String> {
        let unfinished = self.unfinished.iter().map(|run| format!("unfinished, not compared: {run}"));
        let skipped = self.skipped.iter().map(|(_, reason)| format!("not read: {reason}"));
        unfinished.chain(skipped).collect()
    }
}

#[derive(Template)]
#[template(path = "compare.html")]
struct Page {
    groups: Vec<Table>,
    legend: &'static str,
    remarks: Vec<String>,
    not_clinical: &'static str,
    style: Fragment,
}

struct Table {
    title: String,
    synthetic: bool,
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}
