//! How a run fares on corrupted images, as tables and as a chart.

use medley_core::RunLayout;
use medley_core::record::{RobustnessRecord, SEVERITIES, TaskRobustness};
use medley_metrics::robustness::{by_severity, relative};
use medley_predictions::RecordError;

use crate::Fragment;
use crate::format::{NONE, TASK_DECIMALS, number};
use crate::record::read_checked;
use crate::scorecard::Format;
use crate::svg::{LineChart, Series, standalone};
use crate::tables::Table;

/// Largest `robustness.json` that is read: a thousand tasks have less.
const LARGEST: u64 = 16 << 20;
/// Errors are shares.
const SHARE: (f64, f64) = (0.0, 1.0);

/// Reads `robustness.json` of a run folder; `None` where it was not measured.
///
/// # Errors
/// Whatever is wrong with the file, with its place.
pub fn read(run: &RunLayout) -> Result<Option<RobustnessRecord>, RecordError> {
    read_checked(run, run.robustness(), LARGEST, RobustnessRecord::problem)
}

/// The tables of `medley score --corruptions`: balanced errors by corruption and severity, and, beside a reference, their ratios. LaTeX is
/// written as text.
pub fn render_robustness(record: &RobustnessRecord, reference: Option<&RobustnessRecord>, format: Format) -> String {
    let write = |heading: &str, table: &Table| match format {
        Format::Markdown => format!("### {heading}\n\n{}", table.markdown()),
        Format::Text | Format::Latex => format!("{heading}\n\n{}\n", table.text()),
    };
    let mut parts = Vec::new();
    for task in &record.tasks {
        let heading = format!("{}: balanced error on {} validation images", task.task, task.rows);
        parts.push(write(&heading, &errors(task)));
        let other = reference.and_then(|all| all.tasks.iter().find(|other| other.task == task.task));
        if let (Some(other), Some(name)) = (other, reference.map(|all| &all.run)) {
            let heading = format!("{}: errors over those of {name}; below 1 is better", task.task);
            parts.push(write(&heading, &ratios(task, other)));
        }
    }
    let mut notes = "Balanced error is one less the mean recall of the classes. Corruptions and ratios are those of MedMNIST-C, on images \
                     of the run's own size; its published numbers are of 224 pixels and of test images."
        .to_owned();
    if reference.is_some() {
        notes.push_str(" The relative ratio compares what corruption adds to the error of clean images.");
    }
    parts.push(format!("{notes}\nNot for clinical use."));
    parts.join("\n")
}

/// A line for clean images, one for each corruption, one for their mean.
pub(crate) fn errors(task: &TaskRobustness) -> Table {
    let severities: Vec<String> = (1..=SEVERITIES).map(|severity| format!("severity {severity}")).collect();
    let mut header = vec!["corruption".to_owned(), "mean".to_owned()];
    header.extend(severities);
    let mut table = Table { header, rows: Vec::new() };
    let cell = |value: f64| number(Some(value), TASK_DECIMALS);
    let dashes = std::iter::repeat_n(NONE.to_owned(), SEVERITIES);
    table.push(["none".to_owned(), cell(task.clean)].into_iter().chain(dashes));
    for corruption in &task.corruptions {
        let row = [corruption.name.replace('_', " "), cell(corruption.mean())];
        table.push(row.into_iter().chain(corruption.balanced_error.map(cell)));
    }
    if let Some(means) = by_severity(task) {
        let all = means.iter().sum::<f64>() / SEVERITIES as f64;
        table.push(["mean of all".to_owned(), cell(all)].into_iter().chain(means.map(cell)));
    }
    table
}

fn ratios(task: &TaskRobustness, reference: &TaskRobustness) -> Table {
    let found = relative(task, reference);
    let mut table = Table::new(&["corruption", "ratio", "relative ratio"]);
    let cell = |value| number(value, TASK_DECIMALS);
    for one in &found.corruptions {
        table.push([one.name.replace('_', " "), cell(one.balanced_error), cell(one.relative_balanced_error)]);
    }
    table.push(["mean".to_owned(), cell(found.balanced_error), cell(found.relative_balanced_error)]);
    table
}

/// Mean balanced error by severity, 0 being clean images, one line for each task; that of a reference follows each. A whole SVG file;
/// `None` where no task has corruptions.
pub fn robustness_chart(record: &RobustnessRecord, reference: Option<&RobustnessRecord>) -> Option<String> {
    let mut series = Vec::new();
    for task in &record.tasks {
        add(&mut series, &record.run, task);
        let other = reference.and_then(|all| all.tasks.iter().find(|other| other.task == task.task));
        if let (Some(other), Some(all)) = (other, reference) {
            add(&mut series, &all.run, other);
        }
    }
    draw(&format!("Balanced error of {} by severity of corruption", record.run), series, (640.0, 360.0))
        .map(|chart| standalone(&chart))
}

fn add(series: &mut Vec<Series>, run: &str, task: &TaskRobustness) {
    let Some(means) = by_severity(task) else { return };
    let points: Vec<(f64, f64)> = std::iter::once(task.clean)
        .chain(means)
        .enumerate()
        .map(|(severity, error)| (severity as f64, error))
        .collect();
    let name = format!("{}, {run}", task.task);
    let marks = points.iter().map(|&(x, y)| (x, y, format!("{name}: severity {x:.0}, {y:.3}"))).collect();
    series.push(Series { name, index: series.len(), points, marks });
}

/// One line for each corruption of a task.
pub(crate) fn chart_of_task(task: &TaskRobustness, title: &str) -> Option<Fragment> {
    let mut series = Vec::new();
    add(&mut series, "mean of all corruptions", task);
    draw(&format!("{title}: balanced error by severity of corruption, mean of all"), series, (318.0, 196.0))
}

fn draw(label: &str, series: Vec<Series>, size: (f64, f64)) -> Option<Fragment> {
    let x_label = "severity; 0 is without corruption".to_owned();
    LineChart { label: label.to_owned(), x_label, series, size, y_bounds: SHARE }.draw()
}

#[cfg(test)]
mod tests {
    use medley_core::Split;
    use medley_core::record::CorruptionErrors;

    use super::*;

    fn record(run: &str, error: f64) -> RobustnessRecord {
        let corruption = |name: &str, by: f64| CorruptionErrors {
            name: name.into(),
            balanced_error: std::array::from_fn(|at| error + by * at as f64),
        };
        let task = TaskRobustness {
            task: "breastmnist".into(),
            sha256: "a".into(),
            rows: 78,
            clean: error / 2.0,
            corruptions: vec![corruption("pixelate", 0.05), corruption("speckle_noise", 0.0)],
        };
        RobustnessRecord { schema_version: 1, run: run.into(), split: Split::Val, seeds: vec![0], tasks: vec![task] }
    }

    #[test]
    fn errors_and_ratios_stand_in_tables() {
        let (own, reference) = (record("own-1", 0.2), record("ref-1", 0.4));
        let text = render_robustness(&own, None, Format::Text);
        assert!(text.contains("speckle noise  0.200       0.200") && !text.contains("ratio   "), "{text}");
        let text = render_robustness(&own, Some(&reference), Format::Markdown);
        // 0.3 / 0.5, and (0.3 - 0.1) / (0.5 - 0.2).
        assert!(text.contains("| pixelate      | 0.600 |          0.667 |"), "{text}");
        assert!(text.contains("below 1 is better"), "{text}");
    }

    #[test]
    fn the_chart_begins_with_clean_images() {
        let own = record("own-1", 0.2);
        let chart = robustness_chart(&own, Some(&record("ref<1", 0.4))).unwrap();
        assert!(chart.starts_with("<svg xmlns") && chart.matches("<polyline").count() == 2, "{chart}");
        assert!(chart.contains("severity 0, 0.100") && chart.contains("ref&lt;1"), "{chart}");
        let none = RobustnessRecord { tasks: Vec::new(), ..own };
        assert_eq!(robustness_chart(&none, None), None);
    }
}
