use askama::Template;
use medley_decisions::curves::ReliabilityBin;
use medley_decisions::record::TaskDecisions;

use super::Section;
use crate::format::{self, NONE, TASK_DECIMALS};
use crate::svg::{LineChart, Series, line_sample};
use crate::{Fragment, RunRecord};

/// What is decided by, and how well classes and confidences are told on validation.
pub(super) struct Decided;

/// Classes whose curves a chart shows; more lines cannot be told apart.
const MOST_LINES: usize = 24;
const SIZE: (f64, f64) = (318.0, 240.0);
const SHARE: (f64, f64) = (0.0, 1.0);

#[derive(Template)]
#[template(path = "decisions.html")]
struct DecisionsTemplate {
    rules: Vec<Vec<String>>,
    tasks: Vec<Task>,
}

struct Task {
    title: String,
    rows: usize,
    legend: Vec<(Fragment, String)>,
    charts: Vec<(&'static str, Fragment)>,
    /// Of the chart of reliability, whose lines are no classes.
    reliability: Vec<(Fragment, &'static str)>,
    bins: Vec<Vec<String>>,
}

impl Section for Decided {
    fn id(&self) -> &'static str {
        "decisions"
    }

    fn title(&self) -> &'static str {
        "Decisions"
    }

    fn render(&self, run: &RunRecord) -> Result<Option<Fragment>, askama::Error> {
        let Some(record) = &run.decisions else { return Ok(None) };
        let known: Vec<&TaskDecisions> = record.tasks.iter().filter(|task| run.data_of(&task.task).is_some()).collect();
        if known.is_empty() {
            return Ok(None);
        }
        let rules = known.iter().map(|task| rule(run, task)).collect();
        let tasks = known.iter().map(|task| charts(run, task)).collect();
        Fragment::render(&DecisionsTemplate { rules, tasks }).map(Some)
    }
}

fn rule(run: &RunRecord, task: &TaskDecisions) -> Vec<String> {
    let fitted = &task.predictor;
    let number = |value: f64| format::number(Some(value), TASK_DECIMALS);
    let temperature = fitted.temperature.as_ref();
    vec![
        run.title_of(&task.task).to_owned(),
        fitted.rule.name().to_owned(),
        number(fitted.plain_macro_f1),
        number(fitted.macro_f1),
        format::interval(fitted.interval.as_ref(), TASK_DECIMALS),
        temperature.map_or_else(|| NONE.to_owned(), |one| number(one.temperature.temperature)),
        temperature.map_or_else(|| NONE.to_owned(), |one| number(one.log_loss[0])),
        temperature.map_or_else(|| NONE.to_owned(), |one| number(one.log_loss[1])),
    ]
}

fn charts(run: &RunRecord, task: &TaskDecisions) -> Task {
    let title = run.title_of(&task.task).to_owned();
    let classes = run.data_of(&task.task).map(|data| data.task.classes.clone()).unwrap_or_default();
    let name = |class: usize| classes.get(class).cloned().unwrap_or_else(|| class.to_string());
    let shown: Vec<_> = task.curves.iter().take(MOST_LINES).collect();
    let lines = |points: &dyn Fn(usize) -> Vec<(f64, f64)>| -> Vec<Series> {
        let line =
            |index: usize| Series { name: name(shown[index].class), index, points: points(index), marks: Vec::new() };
        (0..shown.len()).map(line).collect()
    };
    let pairs = |points: &[[f64; 2]]| points.iter().map(|point| (point[0], point[1])).collect();
    let mut charts = Vec::new();
    let mut add = |caption: &'static str, x_label: &str, series: Vec<Series>| {
        let label = format!("{title}: {caption}, validation, one line per class");
        let chart = LineChart { label, x_label: x_label.to_owned(), series, size: SIZE, y_bounds: SHARE };
        charts.extend(chart.draw().map(|drawn| (caption, drawn)));
    };
    add("ROC: true positive rate", "false positive rate", lines(&|index| pairs(&shown[index].roc)));
    add("Precision over recall", "recall", lines(&|index| pairs(&shown[index].precision_recall)));
    let mut bins = Vec::new();
    if let Some(temperature) = &task.predictor.temperature {
        let [before, after] = &temperature.reliability;
        let line = |name: &str, index, bins: &[ReliabilityBin]| {
            let points: Vec<(f64, f64)> = bins.iter().map(|bin| (bin.confidence, bin.accuracy)).collect();
            let mark = |bin: &ReliabilityBin| {
                let said = format!(
                    "{name}: confidence {:.3}, right {:.3}, {} predictions",
                    bin.confidence, bin.accuracy, bin.count
                );
                (bin.confidence, bin.accuracy, said)
            };
            Series { name: name.to_owned(), index, marks: bins.iter().map(mark).collect(), points }
        };
        let even = Series {
            name: "as confident as right".into(),
            index: 5,
            points: vec![(0.0, 0.0), (1.0, 1.0)],
            marks: Vec::new(),
        };
        let series = vec![line("as predicted", 0, before), line("at the temperature", 1, after), even];
        add("Reliability: share that is right", "confidence", series);
        for (name, of) in [("as predicted", before), ("at the temperature", after)] {
            for bin in of {
                let number = |value: f64| format::number(Some(value), TASK_DECIMALS);
                bins.push(vec![name.to_owned(), number(bin.confidence), number(bin.accuracy), bin.count.to_string()]);
            }
        }
    }
    let legend = shown.iter().enumerate().map(|(index, class)| (line_sample(index), name(class.class))).collect();
    let lines = [(0, "as predicted"), (1, "at the temperature"), (5, "as often right as confident")];
    let reliability =
        if bins.is_empty() { Vec::new() } else { lines.map(|(at, name)| (line_sample(at), name)).to_vec() };
    Task { title, rows: task.predictor.rows, legend, charts, reliability, bins }
}
