//! What a task gains or loses by being trained with others: joint training beside training alone, seed by seed, on validation images.
//!
//! Both runs of a pair predicted the same images, so each seed is compared with the same seed of the other run on the same bootstrap
//! resamples. The interval is that of the mean difference over the seeds: how far it would move on other images. How far it moves from
//! seed to seed stands beside it as a standard deviation. The comparison is fair at equal steps of the optimizer, so steps are shown, and
//! runs that differ in them are said to.

use askama::Template;
use medley_core::record::{Interval, Resampling};
use medley_core::statistics::standard_deviation;
use medley_metrics::bootstrap::{Resampled, bootstrap};
use medley_metrics::metrics::HEADLINE;
use medley_metrics::{MetricError, Sample};
use serde::Serialize;

use crate::format::{NONE, TASK_DECIMALS, difference, number};
use crate::frame::{Frame, NOT_CLINICAL};
use crate::tables::Table;
use crate::{Fragment, ReportError, RunRecord};

/// One task of a joint run, beside a run that trained it alone.
pub struct TransferPair<'a> {
    /// Task name.
    pub task: String,
    /// The joint run.
    pub joint: &'a RunRecord,
    /// The run of this task alone, or of fewer tasks.
    pub alone: &'a RunRecord,
    /// For each seed that both have: the seed, and the validation predictions of both.
    pub seeds: Vec<(u64, Sample, Sample)>,
}

/// What a joint run transfers to its tasks.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TransferReport {
    /// Name of the joint run.
    pub joint: String,
    /// Whether any data is synthetic.
    pub synthetic: bool,
    /// Each task with the run that it is compared with.
    pub tasks: Vec<TaskTransfer>,
    /// What to heed when reading it, one sentence each.
    pub remarks: Vec<String>,
}

/// One task.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TaskTransfer {
    /// Task name.
    pub task: String,
    /// Name of the run that trained it alone.
    pub alone: String,
    /// Seeds that both have.
    pub seeds: Vec<u64>,
    /// Validation images.
    pub rows: usize,
    /// Steps of the optimizer that the joint run made for all its tasks, as far as its events tell.
    pub joint_steps: Option<usize>,
    /// Steps of the other.
    pub alone_steps: Option<usize>,
    /// AUC, accuracy and macro-F1.
    pub metrics: Vec<MetricTransfer>,
}

/// One metric of one task.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MetricTransfer {
    /// `auc`, `accuracy` or `macro_f1`.
    pub metric: &'static str,
    /// Mean over the seeds; `None` where it is not defined.
    pub joint: Option<f64>,
    /// Of the run alone.
    pub alone: Option<f64>,
    /// The former less the latter.
    pub difference: Option<f64>,
    /// Central 95 % over resamples of the images; `None` where all resamples are equal.
    pub interval: Option<Interval>,
    /// Standard deviation of the difference over the seeds; `None` of one seed.
    pub deviation: Option<f64>,
    /// What that says.
    pub verdict: TransferVerdict,
}

/// What a difference says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TransferVerdict {
    /// The interval lies above 0.
    Gain,
    /// The interval lies below 0.
    Loss,
    /// It may be chance.
    Uncertain,
}

impl TransferVerdict {
    fn of(interval: Option<&Interval>) -> Self {
        match interval {
            Some(ends) if ends.low > 0.0 => Self::Gain,
            Some(ends) if ends.high < 0.0 => Self::Loss,
            _ => Self::Uncertain,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Gain => "joint is better",
            Self::Loss => "alone is better",
            Self::Uncertain => "may be chance",
        }
    }
}

/// Compares every pair. The same pairs give the same report.
///
/// # Errors
/// [`MetricError::NotPaired`] where the predictions of a pair are not of the same images.
pub fn transfer(
    joint: &RunRecord,
    pairs: &[TransferPair<'_>],
    resampling: &Resampling,
) -> Result<TransferReport, MetricError> {
    let mut remarks = Vec::new();
    let mut tasks = Vec::new();
    for pair in pairs {
        let (joint_steps, alone_steps) = (steps(pair.joint), steps(pair.alone));
        let (task, alone) = (&pair.task, pair.alone.name());
        match (joint_steps, alone_steps) {
            (Some(joint), Some(alone_steps)) if joint != alone_steps => remarks.push(format!(
                "{task}: `{}` made {joint} steps and `{alone}` {alone_steps}, so the difference is not that of training jointly alone",
                pair.joint.name()
            )),
            (Some(_), Some(_)) => {}
            _ => remarks.push(format!("{task}: events.jsonl does not tell the steps of both runs")),
        }
        if pair.seeds.len() == 1 {
            remarks.push(format!("{task}: one seed says nothing about how far the difference moves with the seed"));
        }
        tasks.push(TaskTransfer {
            task: task.clone(),
            alone: alone.to_owned(),
            seeds: pair.seeds.iter().map(|seed| seed.0).collect(),
            rows: pair.seeds.first().map_or(0, |seed| seed.1.rows()),
            joint_steps,
            alone_steps,
            metrics: of_pair(pair, resampling)?,
        });
    }
    let synthetic = joint.is_synthetic() || pairs.iter().any(|pair| pair.alone.is_synthetic());
    Ok(TransferReport { joint: joint.name().to_owned(), synthetic, tasks, remarks })
}

/// Steps of one seed, as they were planned.
fn steps(run: &RunRecord) -> Option<usize> {
    run.history.planned_epochs?.checked_mul(run.history.steps_per_epoch?)
}

fn of_pair(pair: &TransferPair<'_>, resampling: &Resampling) -> Result<Vec<MetricTransfer>, MetricError> {
    let (mut joint, mut alone) = (Vec::new(), Vec::new());
    for (seed, one, other) in &pair.seeds {
        if one.labels() != other.labels() {
            let reason = format!("the predictions of seed {seed} are of other images");
            return Err(MetricError::NotPaired { task: pair.task.clone(), reason });
        }
        joint.push(bootstrap(one, HEADLINE, resampling));
        alone.push(bootstrap(other, HEADLINE, resampling));
    }
    let metrics = HEADLINE.iter().enumerate().map(|(at, metric)| {
        let column = |all: &[Vec<Resampled>]| all.iter().filter_map(|seed| seed.get(at)).cloned().collect::<Vec<_>>();
        let (joint, alone) = (column(&joint), column(&alone));
        let differences: Vec<Resampled> = joint.iter().zip(&alone).map(|(one, other)| one.minus(other)).collect();
        let mean = |all: &[Resampled]| Resampled::mean(&all.iter().collect::<Vec<_>>());
        let of_all = mean(&differences);
        let interval = of_all.as_ref().and_then(|all| all.interval(resampling.confidence));
        let values: Option<Vec<f64>> = differences.iter().map(|one| one.value).collect();
        MetricTransfer {
            metric: metric.info().id,
            joint: mean(&joint).and_then(|all| all.value),
            alone: mean(&alone).and_then(|all| all.value),
            difference: of_all.and_then(|all| all.value),
            verdict: TransferVerdict::of(interval.as_ref()),
            interval,
            deviation: values.as_deref().and_then(standard_deviation),
        }
    });
    Ok(metrics.collect())
}

impl TransferReport {
    fn table(&self) -> Table {
        let header =
            ["task", "metric", "joint", "alone", "difference", "95 % interval", "deviation over seeds", "seeds", ""];
        let mut table = Table::new(&header);
        for task in &self.tasks {
            for metric in &task.metrics {
                let signed = |value: f64| difference(value, TASK_DECIMALS);
                let interval = metric.interval.as_ref();
                table.push([
                    task.task.clone(),
                    metric.metric.replace('_', "-"),
                    number(metric.joint, TASK_DECIMALS),
                    number(metric.alone, TASK_DECIMALS),
                    metric.difference.map_or_else(|| NONE.to_owned(), signed),
                    interval.map_or_else(
                        || NONE.to_owned(),
                        |ends| format!("{} to {}", signed(ends.low), signed(ends.high)),
                    ),
                    number(metric.deviation, TASK_DECIMALS),
                    task.seeds.len().to_string(),
                    metric.verdict.words().to_owned(),
                ]);
            }
        }
        table
    }

    fn steps_table(&self) -> Table {
        let mut table = Table::new(&["task", "alone", "joint steps", "alone steps", "validation images"]);
        for task in &self.tasks {
            let count = |steps: Option<usize>| steps.map_or_else(|| NONE.to_owned(), |steps| steps.to_string());
            table.push([
                task.task.clone(),
                task.alone.clone(),
                count(task.joint_steps),
                count(task.alone_steps),
                task.rows.to_string(),
            ]);
        }
        table
    }

    fn how() -> &'static str {
        "Each seed of the joint run is compared with the same seed alone on the same validation images. The interval is that of the mean \
         difference over resamples of the images; validation also chose the epochs of both."
    }

    fn remarks(&self) -> Vec<String> {
        let synthetic = self.synthetic.then(|| "SYNTHETIC data: the scores say nothing about medicine".to_owned());
        synthetic.into_iter().chain(self.remarks.iter().cloned()).chain(["Not for clinical use.".to_owned()]).collect()
    }

    /// For a terminal.
    pub fn text(&self) -> String {
        let remarks = self.remarks().join("\n");
        let (table, steps) = (self.table().text(), self.steps_table().text());
        format!(
            "{}: joint training beside training alone\n\n{table}\n\n{steps}\n\n{}\n{remarks}",
            self.joint,
            Self::how()
        )
    }

    /// As Markdown.
    pub fn markdown(&self) -> String {
        let remarks: Vec<String> = self.remarks().into_iter().map(|remark| format!("- {remark}")).collect();
        let name = crate::tables::escape_markdown(&self.joint);
        let (table, steps) = (self.table().markdown(), self.steps_table().markdown());
        format!(
            "## {name}: joint training beside training alone\n\n{table}\n{steps}\n{}\n\n{}\n",
            Self::how(),
            remarks.join("\n")
        )
    }

    /// As a self-contained page, with the style of the report.
    ///
    /// # Errors
    /// [`ReportError::Render`].
    pub fn html(&self) -> Result<String, ReportError> {
        let body = TransferTemplate {
            how: Self::how(),
            tables: vec![("Metrics", self.table()), ("Steps", self.steps_table())],
            remarks: self.remarks(),
        };
        let fail = |source| ReportError::Render { section: "transfer".to_owned(), source };
        let frame = Frame {
            kind: "transfer report",
            name: &self.joint,
            synthetic: self.synthetic,
            unfinished: false,
            summary: "Joint training beside training alone".to_owned(),
            date: None,
            not_clinical: NOT_CLINICAL,
            licences: String::new(),
            contents: vec![("result", "Transfer")],
            source: "the run folders",
            body: Fragment::render(&body).map_err(fail)?,
        };
        frame.render().map_err(fail)
    }
}

#[derive(Template)]
#[template(path = "transfer.html")]
struct TransferTemplate {
    how: &'static str,
    tables: Vec<(&'static str, Table)>,
    remarks: Vec<String>,
}

#[cfg(test)]
mod tests {
    use medley_core::{ImageShape, Labels, Modality, Origin, Scores, TaskKind, TaskSpec};

    use super::*;

    fn sample(right: usize, labels: &[u16]) -> Sample {
        let spec = TaskSpec {
            name: "t".into(),
            title: "T".into(),
            kind: TaskKind::Binary,
            modality: Modality::Other,
            classes: vec!["0".into(), "1".into()],
            shape: ImageShape::flat(1, 1, 1),
            origin: Origin::User,
        };
        let row = |(at, &label): (usize, &u16)| {
            let positive = if (label == 1) == (at < right) { 0.7 } else { 0.3 };
            [1.0 - positive, positive]
        };
        let scores = Scores::new(labels.iter().enumerate().flat_map(row).collect(), labels.len(), 2).unwrap();
        Sample::new(&spec, Labels::single(labels.to_vec()).unwrap(), scores).unwrap()
    }

    #[test]
    fn differences_are_paired_by_seed_and_told_from_chance() {
        let labels: Vec<u16> = (0..100).map(|row| row % 2).collect();
        let folder = tempfile::tempdir().unwrap();
        let run = crate::record::empty(folder.path());
        let pair = |seeds| TransferPair { task: "t".into(), joint: &run, alone: &run, seeds };
        let seeds = vec![(0, sample(90, &labels), sample(60, &labels)), (1, sample(94, &labels), sample(60, &labels))];
        let report = transfer(&run, &[pair(seeds)], &Resampling::default()).unwrap();
        let accuracy = &report.tasks[0].metrics[1];
        let near = |value: Option<f64>, expected: f64| assert!((value.unwrap() - expected).abs() < 1e-9, "{value:?}");
        near(accuracy.joint, 0.92);
        near(accuracy.difference, 0.32);
        near(accuracy.deviation, (0.0008_f64).sqrt());
        assert_eq!(accuracy.verdict, TransferVerdict::Gain);
        assert!(report.remarks[0].contains("does not tell the steps"), "{:?}", report.remarks);
        let equal = vec![(0, sample(60, &labels), sample(60, &labels))];
        let report = transfer(&run, &[pair(equal)], &Resampling::default()).unwrap();
        assert_eq!((report.tasks[0].metrics[2].verdict, report.remarks.len()), (TransferVerdict::Uncertain, 2));
        for text in [report.text(), report.markdown(), report.html().unwrap()] {
            assert!(text.contains("macro-f1") && text.contains("may be chance"), "{text}");
        }
        let others: Vec<u16> = (0..100).map(|row| (row + 1) % 2).collect();
        let apart = vec![(0, sample(60, &labels), sample(60, &others))];
        assert!(matches!(transfer(&run, &[pair(apart)], &Resampling::default()), Err(MetricError::NotPaired { .. })));
    }
}
