use askama::Template;
use medley_core::record::{ClassResult, TaskResult};

use super::Section;
use crate::format::{self, TASK_DECIMALS};
use crate::{Fragment, RunRecord};

/// Precision, recall and F1 of every class.
pub(super) struct Classes;

#[derive(Template)]
#[template(path = "classes.html")]
struct ClassesTemplate {
    predictor: String,
    several: bool,
    never: Vec<String>,
    tasks: Vec<Task>,
}

struct Task {
    title: String,
    macro_f1: String,
    rows: Vec<Row>,
}

struct Row {
    name: String,
    examples: String,
    predicted: String,
    never: bool,
    precision: String,
    recall: String,
    f1: String,
    /// F1 in hundredths, for the bar.
    bar: String,
    seeds: String,
}

impl Section for Classes {
    fn id(&self) -> &'static str {
        "classes"
    }

    fn title(&self) -> &'static str {
        "Classes"
    }

    fn render(&self, run: &RunRecord) -> Result<Option<Fragment>, askama::Error> {
        let Some(scores) = run.final_scores() else { return Ok(None) };
        let template = ClassesTemplate {
            predictor: run.final_predictor(),
            several: run.results.as_ref().is_some_and(|results| results.seeds.len() > 1),
            never: alarms(run),
            tasks: (scores.tasks.iter().enumerate())
                .map(|(index, task)| Task {
                    title: run.title_of(&task.task).to_owned(),
                    macro_f1: format::number(Some(task.macro_f1), TASK_DECIMALS),
                    rows: (task.per_class.iter().enumerate())
                        .map(|(class, result)| row(result, &f1_of_seeds(run, index, class)))
                        .collect(),
                })
                .collect(),
        };
        Fragment::render(&template).map(Some)
    }
}

fn is_never(class: &ClassResult) -> bool {
    class.predicted == 0 && class.support > 0
}

/// Classes with examples that the final predictor, or only some seeds, never name.
fn alarms(run: &RunRecord) -> Vec<String> {
    let mut alarms = Vec::new();
    let (Some(scores), Some(results)) = (run.final_scores(), &run.results) else { return alarms };
    for (index, task) in scores.tasks.iter().enumerate() {
        for (class, result) in task.per_class.iter().enumerate() {
            let seeds: Vec<String> = (results.seeds.iter().zip(results.test_sets()))
                .filter(|(_, test)| is_never(&test.tasks[index].per_class[class]))
                .map(|(seed, _)| seed.seed.to_string())
                .collect();
            let by = match (is_never(result), seeds.len()) {
                (true, _) => format!("by {}", run.final_predictor()),
                (false, 0) => continue,
                (false, 1) => format!("by seed {}", seeds[0]),
                (false, _) => format!("by seeds {}", format::list(&seeds)),
            };
            alarms.push(alarm(run.title_of(&task.task), result, task, &by));
        }
    }
    alarms
}

fn alarm(title: &str, class: &ClassResult, task: &TaskResult, by: &str) -> String {
    let (examples, rows) = (format::count(class.support), format::count(task.rows as u64));
    format!("{title}, “{}”: never predicted {by}, though {examples} of {rows} test images show it.", class.name)
}

fn f1_of_seeds(run: &RunRecord, task: usize, class: usize) -> Vec<f64> {
    let sets = run.results.iter().flat_map(medley_core::record::RunResults::test_sets);
    sets.map(|set| set.tasks[task].per_class[class].f1).collect()
}

fn row(class: &ClassResult, seeds: &[f64]) -> Row {
    let number = |value| format::number(Some(value), TASK_DECIMALS);
    let least = seeds.iter().copied().fold(f64::INFINITY, f64::min);
    let most = seeds.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    Row {
        name: class.name.clone(),
        examples: format::count(class.support),
        predicted: format::count(class.predicted),
        never: is_never(class),
        precision: number(class.precision),
        recall: number(class.recall),
        f1: number(class.f1),
        bar: format!("{:.1}", class.f1 * 100.0),
        seeds: format!("{least:.TASK_DECIMALS$}–{most:.TASK_DECIMALS$}"),
    }
}
