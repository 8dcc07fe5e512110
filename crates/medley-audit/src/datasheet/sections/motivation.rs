use super::{Answer, Facts, Question, README, modality};

pub(super) fn questions(facts: &Facts<'_>) -> Vec<Question> {
    vec![purpose(facts), creators(facts), funding(facts)]
}

fn purpose(facts: &Facts<'_>) -> Question {
    let question = "For what purpose was the dataset created? Was there a specific task in mind? Was there a specific gap that \
                    needed to be filled?";
    if facts.is_synthetic() {
        let text = "To try Medley, and to test it, where the real images are not available. The images have the shapes and classes \
                    of the set that they are named after, and no medical content.";
        return Question::text(question, text);
    }
    if !facts.is_official() {
        return Question::open(question, "The file cannot tell.");
    }
    let text = "[...] MedMNIST is designed to perform classification on lightweight 2D and 3D images with various data scales (from 100 \
                to 100,000) and diverse tasks (binary/multi-class, ordinal regression and multi-label). [...] it primarily focuses \
                on the machine learning part rather than the end-to-end system.";
    let task = format!(
        "The task of this set: {} classification of {} images of {} pixels.",
        facts.spec().kind,
        modality(facts.spec().modality),
        facts.spec().shape
    );
    Question::new(
        question,
        vec![Answer::text(task), Answer::Quote { text: text.to_owned(), source: README.to_owned() }],
    )
}

fn creators(facts: &Facts<'_>) -> Question {
    let question = "Who created the dataset (e.g., which team, research group) and on behalf of which entity (e.g., company, \
                    institution, organization)?";
    if facts.is_synthetic() {
        return Question::text(question, "Whoever ran medley data synth; the generators are Medley's.");
    }
    let Some(entry) = facts.entry.filter(|_| facts.is_official()) else {
        return Question::open(question, "The file cannot tell.");
    };
    let mut papers = vec![format!("The set: {}", medley_data::Registry::builtin().citation)];
    papers.extend(entry.citations.iter().map(|citation| format!("The source images: {citation}")));
    let made_from = Answer::text(format!("Made by the authors of MedMNIST from {}.", entry.source));
    Question::new(
        question,
        vec![made_from, Answer::List(papers), Answer::Open("On behalf of which entity.".to_owned())],
    )
}

fn funding(facts: &Facts<'_>) -> Question {
    let question = "Who funded the creation of the dataset?";
    if facts.is_synthetic() {
        return Question::text(question, "Nobody: generating it takes seconds.");
    }
    Question::open(question, super::sources(facts))
}
