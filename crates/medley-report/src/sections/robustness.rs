use askama::Template;

use super::Section;
use crate::robustness::{chart_of_task, errors};
use crate::{Fragment, RunRecord};

/// What corrupted images do to it.
pub(super) struct Robustness;

#[derive(Template)]
#[template(path = "robustness.html")]
struct RobustnessTemplate {
    tasks: Vec<Task>,
}

struct Task {
    title: String,
    rows: usize,
    chart: Option<Fragment>,
    header: Vec<String>,
    lines: Vec<Vec<String>>,
}

impl Section for Robustness {
    fn id(&self) -> &'static str {
        "robustness"
    }

    fn title(&self) -> &'static str {
        "Corrupted images"
    }

    fn render(&self, run: &RunRecord) -> Result<Option<Fragment>, askama::Error> {
        let Some(record) = &run.robustness else { return Ok(None) };
        let tasks: Vec<Task> = (record.tasks.iter())
            .filter(|task| !task.corruptions.is_empty() && run.data_of(&task.task).is_some())
            .map(|task| {
                let title = run.title_of(&task.task).to_owned();
                let table = errors(task);
                let chart = chart_of_task(task, &title);
                Task { title, rows: task.rows, chart, header: table.header, lines: table.rows }
            })
            .collect();
        if tasks.is_empty() {
            return Ok(None);
        }
        Fragment::render(&RobustnessTemplate { tasks }).map(Some)
    }
}
