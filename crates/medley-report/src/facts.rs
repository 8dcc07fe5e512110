//! What every form of a report says in the same words: licences, warnings, and what a figure can and cannot tell.

use medley_core::record::DataRecord;
use medley_core::{Origin, Split};

use crate::RunRecord;
use crate::format::{self, MEAN_DECIMALS, TASK_DECIMALS};

/// On everything that leaves the program.
pub(crate) const NOT_CLINICAL: &str =
    "Not for clinical use: this is a benchmark on small public images, not a medical device.";

/// On everything made from drawn data.
pub(crate) const SYNTHETIC: &str =
    "SYNTHETIC DATA: the images were drawn by Medley. These figures say nothing of medicine or of the benchmark.";

/// Test sets below this many images get a sentence of their own.
const SMALL_TEST: usize = 1000;
/// Validation sets below this many images get a sentence of their own.
const SMALL_VALIDATION: usize = 200;

/// The licence of a data set.
pub(crate) fn licence(data: &DataRecord) -> &'static str {
    match data.task.origin {
        Origin::Official if data.task.name.starts_with("dermamnist") => "CC BY-NC 4.0",
        Origin::Official => "CC BY 4.0",
        Origin::Synthetic => "drawn by Medley, none",
        Origin::User => "your own data",
    }
}

/// Which published file a data set is.
pub(crate) fn release(data: &DataRecord) -> String {
    match (data.task.origin, data.release.as_deref()) {
        (Origin::Synthetic, _) => "SYNTHETIC".to_owned(),
        (Origin::User, Some(_)) => "the user's own, as imported".to_owned(),
        (Origin::User, None) => "the user's own".to_owned(),
        (_, Some("any")) => "MedMNIST, all releases".to_owned(),
        (_, Some(release)) => format!("MedMNIST {release}"),
        (_, None) => "not a published file".to_owned(),
    }
}

/// The licences of a run's data, as one sentence.
pub(crate) fn licences(run: &RunRecord) -> String {
    let official: Vec<_> = run.data().iter().filter(|data| data.task.origin == Origin::Official).collect();
    let noncommercial = official.iter().find(|data| licence(data) == "CC BY-NC 4.0");
    match (official.len(), noncommercial) {
        (0, _) => "No MedMNIST data was used.".to_owned(),
        (1, Some(data)) => format!("{} is CC BY-NC 4.0: no commercial use.", data.task.title),
        (_, Some(data)) => {
            format!("{} is CC BY-NC 4.0 (no commercial use), the other MedMNIST sets are CC BY 4.0.", data.task.title)
        }
        (_, None) => "The MedMNIST sets are CC BY 4.0.".to_owned(),
    }
}

/// What a reader must know before using the figures, as sentences. Empty while the run is unfinished.
pub(crate) fn caveats(run: &RunRecord) -> Vec<String> {
    let mut all = Vec::new();
    let Some(results) = &run.results else { return all };
    if run.is_synthetic() {
        all.push(SYNTHETIC.to_owned());
    }
    small_tests(run, &mut all);
    if results.seeds.len() == 1 {
        all.push(
            "One seed: the spread over training runs is unknown, and the intervals hold the chance of the test images \
             only. Ten public runs of one model on BreastMNIST all gave different figures (MedMNIST/experiments, issue 14)."
                .to_owned(),
        );
    }
    small_validations(run, &mut all);
    known_flaws(run, &mut all);
    limiting_task(run, &mut all);
    all
}

fn small_tests(run: &RunRecord, all: &mut Vec<String>) {
    let Some(uncertainty) = run.uncertainty() else { return };
    let parts: Vec<String> = run
        .data()
        .iter()
        .zip(&uncertainty.mean.tasks)
        .filter_map(|(data, intervals)| {
            let rows = run.rows(&data.task.name, Split::Test).filter(|&rows| rows < SMALL_TEST)?;
            let half = intervals.macro_f1?.half_width();
            Some(format!("{} ({} test images, ± {half:.TASK_DECIMALS$})", data.task.title, format::count(rows as u64)))
        })
        .collect();
    if !parts.is_empty() {
        all.push(format!(
            "Small test sets: {}. A difference in macro-F1 inside its interval is not a gain.",
            format::list(&parts)
        ));
    }
}

fn small_validations(run: &RunRecord, all: &mut Vec<String>) {
    let parts: Vec<String> = run
        .data()
        .iter()
        .filter_map(|data| {
            let rows = run.rows(&data.task.name, Split::Val).filter(|&rows| rows < SMALL_VALIDATION)?;
            Some(format!("{} ({rows} images)", data.task.title))
        })
        .collect();
    if !parts.is_empty() {
        all.push(format!(
            "Epochs were selected on validation sets of which some are small: {}. What was selected there is partly luck.",
            format::list(&parts)
        ));
    }
}

/// What is known of the data sets themselves.
fn known_flaws(run: &RunRecord, all: &mut Vec<String>) {
    let has = |stem: &str| {
        run.data().iter().any(|data| data.task.origin == Origin::Official && data.task.name.starts_with(stem))
    };
    if has("dermamnist") {
        all.push(
            "DermaMNIST has images of the same lesions in several splits (Abhishek et al., Scientific Data 12:196, \
             2025): its test figures are optimistic for every method."
                .to_owned(),
        );
    }
    if has("pneumoniamnist") {
        all.push(
            "PneumoniaMNIST's splits are not drawn alike (about 74 % pneumonia in training, 62.5 % in test), and some \
             images occur in both training and validation."
                .to_owned(),
        );
    }
}

/// A harmonic mean is held down by its smallest member.
fn limiting_task(run: &RunRecord, all: &mut Vec<String>) {
    let Some(scores) = run.final_scores().filter(|scores| scores.tasks.len() > 1) else { return };
    if scores.harmonic_mean <= 0.0 {
        let zero = scores.tasks.iter().filter(|task| task.macro_f1 <= 0.0).map(|task| run.title_of(&task.task));
        let zero: Vec<_> = zero.collect();
        all.push(format!("The harmonic mean is 0 because macro-F1 is 0 on {}.", format::list(&zero)));
        return;
    }
    let inverse: f64 = scores.tasks.iter().map(|task| 1.0 / task.macro_f1).sum();
    let Some(lowest) = scores.tasks.iter().min_by(|a, b| a.macro_f1.total_cmp(&b.macro_f1)) else { return };
    let raised = inverse - 1.0 / lowest.macro_f1 + 1.0 / (lowest.macro_f1 + 0.05).min(1.0);
    let gain = scores.tasks.len() as f64 / raised - scores.harmonic_mean;
    all.push(format!(
        "The harmonic mean is held down most by {}: it carries {} of the sum of 1/F1. Raising its macro-F1 by 0.05 would \
         raise the harmonic mean by {gain:.MEAN_DECIMALS$}.",
        run.title_of(&lowest.task),
        format::percent(1.0 / lowest.macro_f1 / inverse),
    ));
}
