use askama::Template;
use medley_core::{Origin, Split};

use super::Section;
use crate::format::{self, MEAN_DECIMALS, NONE, TASK_DECIMALS};
use crate::svg::{DotChart, DotRow, Mark, Shape};
use crate::{Fragment, RunRecord, facts};

/// Validation beside test: how much the selection flattered itself.
pub(super) struct Gap;

#[derive(Template)]
#[template(path = "gap.html")]
struct GapTemplate {
    /// Whether the last epoch was kept, and none selected.
    last: bool,
    official: bool,
    chart: Option<Fragment>,
    disc: Fragment,
    square: Fragment,
    rows: Vec<Row>,
    total: Row,
}

struct Row {
    task: String,
    validation_images: String,
    validation: String,
    test: String,
    difference: String,
}

impl Section for Gap {
    fn id(&self) -> &'static str {
        "validation-and-test"
    }

    fn title(&self) -> &'static str {
        "Validation against test"
    }

    fn render(&self, run: &RunRecord) -> Result<Option<Fragment>, askama::Error> {
        let Some(results) = &run.results else { return Ok(None) };
        let tests: Vec<_> = results.test_sets().collect();
        let mean = |value: &dyn Fn(usize) -> f64| {
            (0..results.seeds.len()).map(value).sum::<f64>() / results.seeds.len() as f64
        };
        let pairs: Vec<(f64, f64)> = (0..run.data().len())
            .map(|task| {
                let validation = mean(&|seed| results.seeds[seed].validation.tasks[task].macro_f1);
                let test = mean(&|seed| tests[seed].tasks[task].macro_f1);
                (validation, test)
            })
            .collect();
        let validation = mean(&|seed| results.seeds[seed].validation.harmonic_mean);
        let test = mean(&|seed| tests[seed].harmonic_mean);
        let template = GapTemplate {
            last: run.keeps_last_epoch(),
            official: facts::has(run, Origin::Official),
            chart: chart(run, &pairs),
            disc: Shape::Disc.sample(),
            square: Shape::Square.sample(),
            rows: pairs.iter().enumerate().map(|(task, &pair)| row(run, task, pair)).collect(),
            total: cells("Harmonic mean".to_owned(), String::new(), (validation, test), MEAN_DECIMALS),
        };
        Fragment::render(&template).map(Some)
    }
}

fn row(run: &RunRecord, task: usize, pair: (f64, f64)) -> Row {
    let spec = &run.data()[task].task;
    let images = run.rows(&spec.name, Split::Val).map_or_else(|| NONE.to_owned(), |rows| format::count(rows as u64));
    cells(spec.title.clone(), images, pair, TASK_DECIMALS)
}

fn cells(task: String, validation_images: String, (validation, test): (f64, f64), decimals: usize) -> Row {
    Row {
        task,
        validation_images,
        validation: format::number(Some(validation), decimals),
        test: format::number(Some(test), decimals),
        difference: format::difference(test - validation, decimals),
    }
}

fn chart(run: &RunRecord, pairs: &[(f64, f64)]) -> Option<Fragment> {
    let rows = run.data().iter().zip(pairs).map(|(data, &(validation, test))| DotRow {
        label: data.task.title.clone(),
        interval: Some((
            validation,
            test,
            format!("difference {}", format::difference(test - validation, TASK_DECIMALS)),
        )),
        marks: vec![
            Mark {
                value: validation,
                shape: Shape::Square,
                title: format!("validation: {validation:.TASK_DECIMALS$}"),
            },
            Mark { value: test, shape: Shape::Disc, title: format!("test: {test:.TASK_DECIMALS$}") },
        ],
        note: format::difference(test - validation, TASK_DECIMALS),
    });
    let rows = rows.collect();
    let label = "macro-F1 of every task on validation and on test".to_owned();
    DotChart {
        label,
        x_label: "macro-F1, mean over seeds".into(),
        rows,
        width: 680.0,
        label_width: 130.0,
        note_width: 62.0,
    }
    .draw()
}
