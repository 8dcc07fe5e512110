use medley_core::{COMPETITION_TASKS, TaskKind};

use super::super::document::count;
use super::{Answer, Facts, PAPER, Question, README};

pub(super) fn questions(facts: &Facts<'_>) -> Vec<Question> {
    vec![used(facts), repository(facts), other_tasks(facts), impact(facts), not_for(facts)]
}

fn used(facts: &Facts<'_>) -> Question {
    let question = "Has the dataset been used for any tasks already?";
    if facts.is_synthetic() {
        return Question::text(question, "For tests of Medley.");
    }
    if !facts.is_official() {
        return Question::open(question, "The file cannot tell.");
    }
    let mut lines = vec![format!(
        "As a benchmark of {} classification: ResNets, auto-sklearn, AutoKeras and Google AutoML Vision ({PAPER}), and many others \
         since.",
        facts.spec().kind
    )];
    if COMPETITION_TASKS.contains(&facts.spec().name.as_str()) {
        lines.push(
            "It is one of the eleven tasks of the competition Tensor Reloaded: Multi-Task MedMNIST, which uses the files of release \
             2.0-2.2.3 at 28 pixels."
                .to_owned(),
        );
    }
    lines.push("The reports of Medley set results that were published on it beside those of a run.".to_owned());
    Question::new(question, vec![Answer::List(lines)])
}

fn repository(facts: &Facts<'_>) -> Question {
    let question = "Is there a repository that links to any or all papers or systems that use the dataset?";
    if facts.is_synthetic() {
        return Question::text(question, "No.");
    }
    Question::open(question, "The file cannot tell.")
}

fn other_tasks(facts: &Facts<'_>) -> Question {
    let question = "What (other) tasks could the dataset be used for?";
    if facts.is_synthetic() {
        return Question::text(question, "Trying out and testing any program that reads MedMNIST files.");
    }
    if !facts.is_official() {
        return Question::open(question, "The file cannot tell.");
    }
    let text = "[...] could support numerous research and educational purposes in biomedical image analysis, computer vision and \
                machine learning.";
    Question::new(question, vec![Answer::Quote { text: text.to_owned(), source: README.to_owned() }])
}

fn impact(facts: &Facts<'_>) -> Question {
    let question = "Is there anything about the composition of the dataset or the way it was collected and \
                    preprocessed/cleaned/labeled that might impact future uses?";
    let measured = &facts.measured;
    let mut lines = Vec::new();
    if let Some(ratio) = measured.imbalance().filter(|&ratio| ratio >= 1.5 && facts.spec().kind != TaskKind::MultiLabel)
    {
        lines.push(format!(
            "The largest class of train has {ratio:.2} times the images of the smallest: accuracy says little about rare classes."
        ));
    }
    let (val, test) = (measured.rows[1], measured.rows[2]);
    if val < 500 || test < 500 {
        lines.push(format!(
            "The splits are small ({} val, {} test): one standard error of an accuracy near 80 % is {:.1} points on val and {:.1} on \
             test.",
            count(val),
            count(test),
            standard_error(val),
            standard_error(test)
        ));
    }
    if measured.duplicates.across > 0 {
        lines.push("Some images are in more than one split, so scores on val or test reward memorisation.".to_owned());
    }
    if facts.is_official() {
        lines.push("Public copies carry test labels: a published result may have been selected on them.".to_owned());
        lines.extend(facts.known.into_iter().flat_map(|known| known.remarks.iter().cloned()));
    }
    if facts.is_synthetic() {
        lines.push("A result on it says nothing about medicine or the benchmark.".to_owned());
    }
    let mut answers = Vec::new();
    if !lines.is_empty() {
        answers.push(Answer::List(lines));
    }
    if !facts.is_synthetic() {
        answers.push(Answer::Open("Whom the images over- or under-represent.".to_owned()));
    }
    Question::new(question, answers)
}

/// Of an accuracy of 80 % on so many images, in percentage points: binomial.
fn standard_error(images: usize) -> f64 {
    100.0 * (0.8 * 0.2 / images.max(1) as f64).sqrt()
}

fn not_for(facts: &Facts<'_>) -> Question {
    let question = "Are there tasks for which the dataset should not be used?";
    let mut answers = vec![Answer::text("Not for clinical use: no decision about a person may be based on it.")];
    if facts.is_official() {
        let text = "Please note that this dataset is NOT intended for clinical use.";
        answers.push(Answer::Quote { text: text.to_owned(), source: README.to_owned() });
    }
    if facts.is_official() && facts.entry.is_some_and(medley_data::Entry::is_noncommercial) {
        answers.push(Answer::text("Not for commercial use: its licence forbids that."));
    }
    if facts.is_synthetic() {
        answers.push(Answer::text("Not for results that are compared with published ones."));
    }
    Question::new(question, answers)
}
