use askama::Template;
use medley_core::record::{Estimate, RelatedTask};

use super::Section;
use crate::format::{self, TASK_DECIMALS};
use crate::{Fragment, RunRecord};

/// The figures without test images that are related to those of other splits.
pub(super) struct Related;

#[derive(Template)]
#[template(path = "related.html")]
struct RelatedTemplate {
    confidence: String,
    tasks: Vec<Task>,
}

struct Task {
    title: String,
    groups: String,
    images: usize,
    left_out: usize,
    /// Predictor, metric, value and interval with all images, the same without related ones, and the difference.
    rows: Vec<[String; 7]>,
}

impl Section for Related {
    fn id(&self) -> &'static str {
        "related-images"
    }

    fn title(&self) -> &'static str {
        "Related images"
    }

    fn render(&self, run: &RunRecord) -> Result<Option<Fragment>, askama::Error> {
        let Some(record) = &run.related else { return Ok(None) };
        let known = record.tasks.iter().filter(|task| run.data_of(&task.task).is_some());
        let tasks: Vec<Task> = known.map(|of| task(run, of)).collect();
        if tasks.is_empty() {
            return Ok(None);
        }
        let confidence = format!("{:.0}", record.resampling.confidence * 100.0);
        Fragment::render(&RelatedTemplate { confidence, tasks }).map(Some)
    }
}

fn task(run: &RunRecord, task: &RelatedTask) -> Task {
    let value = |estimate: &Estimate| format::number(estimate.value, TASK_DECIMALS);
    let interval = |estimate: &Estimate| format::interval(estimate.interval.as_ref(), TASK_DECIMALS);
    let rows = task.scores.iter().map(|score| {
        let difference = score.apart.value.zip(score.all.value).map(|(apart, all)| apart - all);
        [
            score.predictor.clone(),
            score.metric.clone(),
            value(&score.all),
            interval(&score.all),
            value(&score.apart),
            interval(&score.apart),
            difference.map_or_else(|| format::NONE.to_owned(), |by| format::difference(by, TASK_DECIMALS)),
        ]
    });
    Task {
        title: run.title_of(&task.task).to_owned(),
        groups: task.groups.clone(),
        images: task.images,
        left_out: task.images.saturating_sub(task.apart),
        rows: rows.collect(),
    }
}
