use askama::Template;
use medley_core::record::DataRecord;
use medley_metrics::baselines::{Baseline, PublishedMetrics, SelectedOn};

use super::Section;
use crate::format::{self, MEAN_DECIMALS, NONE, TASK_DECIMALS};
use crate::published::{self, Official};
use crate::svg::{DotChart, DotRow, Mark, Shape};
use crate::{Fragment, RunRecord};
use medley_core::record::Interval;

/// The published rows beside ours, with what differs.
pub(super) struct Published;

#[derive(Template)]
#[template(path = "published.html")]
struct PublishedTemplate {
    means: Option<Fragment>,
    mean_rows: Vec<MeanRow>,
    accuracy: Option<Fragment>,
    macro_f1: Option<Fragment>,
    disc: Fragment,
    ring: Fragment,
    resnet_18: Option<(Fragment, &'static str)>,
    resnet_50: Option<(Fragment, &'static str)>,
    diamond: Fragment,
    tables: Vec<Table>,
    others: Vec<String>,
    any_unverified: bool,
}

/// One harmonic mean.
struct MeanRow {
    method: String,
    value: String,
    interval: String,
    measured_on: String,
    source: String,
    ours: bool,
}

/// All rows of one task.
struct Table {
    title: String,
    rows: Vec<Row>,
}

struct Row {
    method: String,
    ours: bool,
    auc: String,
    accuracy: String,
    macro_f1: String,
    resolution: String,
    pretrained: &'static str,
    selected_on: &'static str,
    optimistic: bool,
    verified: bool,
    note: Option<String>,
    source: Option<(String, String)>,
}

impl Section for Published {
    fn id(&self) -> &'static str {
        "published"
    }

    fn title(&self) -> &'static str {
        "Beside published results"
    }

    fn render(&self, run: &RunRecord) -> Result<Option<Fragment>, askama::Error> {
        if run.results.is_none() {
            return Ok(None);
        }
        let (known, others): (Vec<usize>, Vec<usize>) =
            (0..run.data().len()).partition(|&task| !published::of_task(&run.data()[task]).is_empty());
        if known.is_empty() {
            return Ok(None);
        }
        let tables: Vec<Table> = known.iter().map(|&task| table(run, task)).collect();
        let template = PublishedTemplate {
            means: means_chart(run),
            mean_rows: mean_rows(run),
            accuracy: accuracy_chart(run, &known),
            macro_f1: macro_f1_chart(run, &known),
            disc: Shape::Disc.sample(),
            ring: Shape::Ring.sample(),
            resnet_18: Official::ResNet18.name_in(run).map(|name| (Shape::Ring.sample(), name)),
            resnet_50: Official::ResNet50.name_in(run).map(|name| (Shape::Square.sample(), name)),
            diamond: Shape::Diamond.sample(),
            any_unverified: tables.iter().flat_map(|table| &table.rows).any(|row| !row.verified),
            tables,
            others: others.into_iter().map(|task| run.data()[task].task.title.clone()).collect(),
        };
        Fragment::render(&template).map(Some)
    }
}

fn means_chart(run: &RunRecord) -> Option<Fragment> {
    let published = published::harmonic_means(run);
    if published.is_empty() {
        return None;
    }
    let mut rows: Vec<(f64, DotRow)> = (published.iter())
        .map(|row| (row.value, mean_row(&row.method, row.value, Shape::Ring, None, &row.measured_on)))
        .collect();
    let uncertainty = run.uncertainty();
    let interval = uncertainty.and_then(|all| all.mean.harmonic_mean);
    let spread = run.spread("all", "harmonic_mean")?;
    rows.push((spread.mean, mean_row(ours_title(run), spread.mean, Shape::Disc, interval, "test")));
    if let Some(ensemble) = run.results.as_ref().and_then(|results| results.ensemble.as_ref()) {
        let interval = uncertainty.and_then(|all| all.ensemble.as_ref()?.harmonic_mean);
        let value = ensemble.harmonic_mean;
        rows.push((value, mean_row("This run, ensemble", value, Shape::Disc, interval, "test")));
    }
    rows.sort_by(|a, b| b.0.total_cmp(&a.0));
    let rows = rows.into_iter().map(|row| row.1).collect();
    let label = "Harmonic mean of macro-F1 over the eleven tasks: this run and published results".to_owned();
    DotChart { label, x_label: "harmonic mean".into(), rows, width: 900.0, label_width: 390.0, note_width: 62.0 }.draw()
}

/// What our value is: published ones are of single models.
fn ours_title(run: &RunRecord) -> &'static str {
    let several = run.results.as_ref().is_some_and(|results| results.seeds.len() > 1);
    if several { "This run, mean over seeds" } else { "This run" }
}

fn mean_row(method: &str, value: f64, shape: Shape, interval: Option<Interval>, measured_on: &str) -> DotRow {
    DotRow {
        label: method.to_owned(),
        interval: interval.map(|ends| {
            (ends.low, ends.high, format!("95 % interval {}", format::interval(Some(&ends), MEAN_DECIMALS)))
        }),
        marks: vec![Mark { value, shape, title: format!("{method}: {value:.MEAN_DECIMALS$} ({measured_on})") }],
        note: format!("{value:.MEAN_DECIMALS$}"),
    }
}

fn mean_rows(run: &RunRecord) -> Vec<MeanRow> {
    let published = published::harmonic_means(run);
    if published.is_empty() {
        return Vec::new();
    }
    let uncertainty = run.uncertainty();
    let ours = |method: &str, value: String, interval: Option<&Interval>| MeanRow {
        method: method.to_owned(),
        value,
        interval: format::interval(interval, MEAN_DECIMALS),
        measured_on: "test".to_owned(),
        source: "this run".to_owned(),
        ours: true,
    };
    let mut rows = vec![ours(
        ours_title(run),
        format::spread(run.spread("all", "harmonic_mean"), MEAN_DECIMALS),
        uncertainty.and_then(|all| all.mean.harmonic_mean.as_ref()),
    )];
    if let Some(ensemble) = run.results.as_ref().and_then(|results| results.ensemble.as_ref()) {
        let interval = uncertainty.and_then(|all| all.ensemble.as_ref()?.harmonic_mean.as_ref());
        rows.push(ours("This run, ensemble", format::number(Some(ensemble.harmonic_mean), MEAN_DECIMALS), interval));
    }
    rows.extend(published.iter().map(|row| MeanRow {
        method: row.method.clone(),
        value: format!("{:.MEAN_DECIMALS$}", row.value),
        interval: NONE.to_owned(),
        measured_on: row.measured_on.clone(),
        source: row.source.clone(),
        ours: false,
    }));
    rows
}

fn accuracy_chart(run: &RunRecord, tasks: &[usize]) -> Option<Fragment> {
    let rows = tasks.iter().map(|&task| {
        let data = &run.data()[task];
        let ours = run.spread(&data.task.name, "accuracy").map(|spread| spread.mean);
        let interval = run.uncertainty().and_then(|all| all.mean.tasks[task].accuracy);
        let mut marks = Vec::new();
        if let Some((row, metrics, value)) = published::best(data, |metrics| metrics.accuracy) {
            marks.push(mark(value, Shape::Diamond, &row.method, metrics.verified));
        }
        for (official, shape) in [(Official::ResNet50, Shape::Square), (Official::ResNet18, Shape::Ring)] {
            if let Some(metrics) = official.metrics(data)
                && let Some(value) = metrics.accuracy
            {
                marks.push(mark(value, shape, official.method(data), metrics.verified));
            }
        }
        let resnet_18 = Official::ResNet18.metrics(data).and_then(|metrics| metrics.accuracy);
        dot_row(data, ours, interval, marks, resnet_18)
    });
    chart("Accuracy on the test split, beside published results", "accuracy, test", rows.collect())
}

fn macro_f1_chart(run: &RunRecord, tasks: &[usize]) -> Option<Fragment> {
    let rows: Vec<DotRow> = (tasks.iter())
        .filter_map(|&task| {
            let data = &run.data()[task];
            let (row, metrics, value) = published::best(data, |metrics| metrics.macro_f1)?;
            let ours = run.spread(&data.task.name, "macro_f1").map(|spread| spread.mean);
            let interval = run.uncertainty().and_then(|all| all.mean.tasks[task].macro_f1);
            let marks = vec![mark(value, Shape::Diamond, &row.method, metrics.verified)];
            Some(dot_row(data, ours, interval, marks, Some(value)))
        })
        .collect();
    chart("Macro-F1 on the test split, beside published results", "macro-F1, test", rows)
}

fn mark(value: f64, shape: Shape, method: &str, verified: bool) -> Mark {
    let doubt = if verified { "" } else { ", unverified" };
    Mark { value, shape, title: format!("{method}: {value:.TASK_DECIMALS$}{doubt}") }
}

/// A row whose note is our difference to a published value, `≈` where that lies inside our interval.
fn dot_row(
    data: &DataRecord,
    ours: Option<f64>,
    interval: Option<Interval>,
    mut marks: Vec<Mark>,
    against: Option<f64>,
) -> DotRow {
    if let Some(value) = ours {
        marks.push(Mark { value, shape: Shape::Disc, title: format!("this run: {value:.TASK_DECIMALS$}") });
    }
    let note = match (ours, against) {
        (Some(ours), Some(against)) => {
            let inside = interval.is_some_and(|interval| interval.contains(against));
            let sign = if inside { " ≈" } else { "" };
            format!("{}{sign}", format::difference(ours - against, TASK_DECIMALS))
        }
        _ => String::new(),
    };
    let interval = interval.map(|ends| {
        (ends.low, ends.high, format!("this run, 95 % interval: {}", format::interval(Some(&ends), TASK_DECIMALS)))
    });
    DotRow { label: data.task.title.clone(), interval, marks, note }
}

fn chart(label: &str, x_label: &str, rows: Vec<DotRow>) -> Option<Fragment> {
    let (label, x_label) = (label.to_owned(), x_label.to_owned());
    DotChart { label, x_label, rows, width: 680.0, label_width: 130.0, note_width: 72.0 }.draw()
}

fn table(run: &RunRecord, task: usize) -> Table {
    let data = &run.data()[task];
    let name = &data.task.name;
    let spread = |metric| format::spread(run.spread(name, metric), TASK_DECIMALS);
    let mut rows =
        vec![ours(run, data, ours_title(run).to_owned(), [spread("auc"), spread("accuracy"), spread("macro_f1")])];
    if let Some(ensemble) = run.results.as_ref().and_then(|results| results.ensemble.as_ref()) {
        let result = &ensemble.tasks[task];
        let metrics = [result.auc, Some(result.accuracy), Some(result.macro_f1)];
        rows.push(ours(
            run,
            data,
            "This run, ensemble".to_owned(),
            metrics.map(|value| format::number(value, TASK_DECIMALS)),
        ));
    }
    rows.extend(published::of_task(data).into_iter().map(|(row, metrics)| theirs(row, metrics)));
    Table { title: data.task.title.clone(), rows }
}

fn ours(run: &RunRecord, data: &DataRecord, method: String, [auc, accuracy, macro_f1]: [String; 3]) -> Row {
    Row {
        method,
        ours: true,
        auc,
        accuracy,
        macro_f1,
        resolution: data.task.shape.height.to_string(),
        pretrained: run.pretrained(),
        selected_on: "validation",
        optimistic: false,
        verified: true,
        note: None,
        source: None,
    }
}

fn theirs(row: &Baseline, metrics: PublishedMetrics) -> Row {
    let number = |value| format::number(value, TASK_DECIMALS);
    Row {
        method: row.method.clone(),
        ours: false,
        auc: number(metrics.auc),
        accuracy: number(metrics.accuracy),
        macro_f1: number(metrics.macro_f1),
        resolution: row.resolution.to_string(),
        pretrained: if row.pretrained { "yes" } else { "no" },
        selected_on: match row.selected_on {
            SelectedOn::Validation => "validation",
            SelectedOn::Test => "test: optimistic",
            SelectedOn::Unknown => "not said",
        },
        optimistic: row.selected_on == SelectedOn::Test,
        verified: metrics.verified,
        note: row.note.clone(),
        source: Some((row.source.clone(), row.url.clone())),
    }
}
