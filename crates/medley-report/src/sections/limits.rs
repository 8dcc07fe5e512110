use askama::Template;

use super::Section;
use crate::facts;
use crate::format::{self, TASK_DECIMALS};
use crate::svg::{DotChart, DotRow, Mark, Shape};
use crate::{Fragment, RunRecord};

/// What the results can and cannot tell.
pub(super) struct Limits;

#[derive(Template)]
#[template(path = "limits.html")]
struct LimitsTemplate {
    caveats: Vec<String>,
    chart: Option<Fragment>,
    disc: Fragment,
    ring: Fragment,
    ensemble: bool,
    several: bool,
}

impl Section for Limits {
    fn id(&self) -> &'static str {
        "limits"
    }

    fn title(&self) -> &'static str {
        "What the results can tell"
    }

    fn render(&self, run: &RunRecord) -> Result<Option<Fragment>, askama::Error> {
        let Some(results) = &run.results else { return Ok(None) };
        let template = LimitsTemplate {
            caveats: facts::caveats(run),
            chart: chart(run),
            disc: Shape::Disc.sample(),
            ring: Shape::Ring.sample(),
            ensemble: results.ensemble.is_some(),
            several: results.seeds.len() > 1,
        };
        Fragment::render(&template).map(Some)
    }
}

fn chart(run: &RunRecord) -> Option<Fragment> {
    let (results, uncertainty) = (run.results.as_ref()?, run.uncertainty()?);
    let rows = run.data().iter().enumerate().map(|(index, data)| {
        let mut marks: Vec<Mark> = results
            .seeds
            .iter()
            .zip(results.test_sets())
            .map(|(seed, test)| {
                let value = test.tasks[index].macro_f1;
                Mark { value, shape: Shape::Ring, title: format!("seed {}: {value:.TASK_DECIMALS$}", seed.seed) }
            })
            .collect();
        if let Some(ensemble) = &results.ensemble {
            let value = ensemble.tasks[index].macro_f1;
            marks.push(Mark { value, shape: Shape::Disc, title: format!("ensemble: {value:.TASK_DECIMALS$}") });
        }
        let interval = uncertainty.mean.tasks[index].macro_f1.as_ref();
        DotRow {
            label: data.task.title.clone(),
            interval: interval.map(|ends| {
                let text = format!("95 % interval: {}", format::interval(Some(ends), TASK_DECIMALS));
                (ends.low, ends.high, text)
            }),
            marks,
            note: interval.map_or_else(String::new, |interval| format!("± {:.TASK_DECIMALS$}", interval.half_width())),
        }
    });
    let rows = rows.collect();
    let label = "macro-F1 of every task on the test split, with 95 % intervals".to_owned();
    DotChart { label, x_label: "macro-F1, test".into(), rows, width: 680.0, label_width: 130.0, note_width: 62.0 }
        .draw()
}
