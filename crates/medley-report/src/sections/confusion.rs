use askama::Template;

use super::Section;
use crate::format;
use crate::svg::{ConfusionMatrix, MOST_CLASSES};
use crate::{Fragment, RunRecord};

/// What was taken for what.
pub(super) struct Confusion;

#[derive(Template)]
#[template(path = "confusion.html")]
struct ConfusionTemplate {
    predictor: String,
    matrices: Vec<Matrix>,
}

struct Matrix {
    title: String,
    drawn: Option<Fragment>,
    most: usize,
    worst: Option<String>,
}

impl Section for Confusion {
    fn id(&self) -> &'static str {
        "confusion"
    }

    fn title(&self) -> &'static str {
        "Confusion"
    }

    fn render(&self, run: &RunRecord) -> Result<Option<Fragment>, askama::Error> {
        let Some(scores) = run.final_scores() else { return Ok(None) };
        let predictor = run.final_predictor();
        let matrices: Vec<Matrix> = (scores.tasks.iter())
            .filter(|task| !task.confusion.is_empty())
            .map(|task| {
                let title = run.title_of(&task.task).to_owned();
                let classes: Vec<String> = task.per_class.iter().map(|class| class.name.clone()).collect();
                let label = format!("Confusion matrix of {title}, {predictor}, test split: true classes in rows");
                let drawn = ConfusionMatrix { label, classes: &classes, counts: &task.confusion }.draw();
                Matrix { title, drawn, most: MOST_CLASSES, worst: worst(&classes, &task.confusion) }
            })
            .collect();
        if matrices.is_empty() {
            return Ok(None);
        }
        Fragment::render(&ConfusionTemplate { predictor, matrices }).map(Some)
    }
}

/// The most frequent mistake, in words.
fn worst(classes: &[String], counts: &[Vec<u64>]) -> Option<String> {
    let mistakes = counts.iter().enumerate().flat_map(|(truth, row)| {
        row.iter()
            .enumerate()
            .filter(move |(predicted, _)| *predicted != truth)
            .map(move |(at, &count)| (count, truth, at))
    });
    // The first of equals, as rows are read.
    let (count, truth, predicted) = mistakes.fold((0, 0, 0), |best, next| if next.0 > best.0 { next } else { best });
    let total: u64 = counts.get(truth)?.iter().sum();
    (count > 0).then(|| {
        let (count, total) = (format::count(count), format::count(total));
        format!("Most frequent mistake: “{}” taken for “{}”, {count} of {total}.", classes[truth], classes[predicted])
    })
}
