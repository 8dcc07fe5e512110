use super::{Answer, Facts, Question, see_description, sources};

pub(super) fn questions(facts: &Facts<'_>) -> Vec<Question> {
    vec![done(facts), raw(facts), software(facts)]
}

fn done(facts: &Facts<'_>) -> Question {
    let question = "Was any preprocessing/cleaning/labeling of the data done (e.g., discretization or bucketing, removal of \
                    instances, processing of missing values)?";
    if facts.is_synthetic() {
        return Question::text(question, "No: images and labels are as generated.");
    }
    let mut answers: Vec<Answer> = see_description(facts).into_iter().collect();
    if let Some([current, older]) = facts.entry.map(|entry| entry.releases.as_slice()) {
        answers.push(Answer::text(format!(
            "Cleaning: MedMNIST 2.2.4 (January 2024) removed a small number of blank samples, so there are two generations of \
             files: {} with {} / {} / {} images, and {} with {} / {} / {}. Indices do not agree between them.",
            older.name, older.rows[0], older.rows[1], older.rows[2], current.name, current.rows[0], current.rows[1], current.rows[2]
        )));
    }
    if !facts.import.is_empty() {
        answers.push(Answer::text("The entry beside the file says of the import:"));
        answers.push(Answer::List(facts.import.to_vec()));
    }
    answers.push(Answer::Open(if facts.is_official() {
        format!("Who labelled the images, and how. {}", sources(facts))
    } else {
        "How the images were prepared, and who labelled them.".to_owned()
    }));
    Question::new(question, answers)
}

fn raw(facts: &Facts<'_>) -> Question {
    let question = "Was the \"raw\" data saved in addition to the preprocessed/cleaned/labeled data (e.g., to support unanticipated \
                    future uses)?";
    if facts.is_synthetic() {
        return Question::text(question, "There is none: the seed gives the same images again.");
    }
    let Some(entry) = facts.entry.filter(|_| facts.is_official()) else {
        return Question::open(question, "The file cannot tell.");
    };
    if entry.citations.is_empty() {
        return Question::open(question, sources(facts));
    }
    let mut lines = vec![format!("The source data are published apart from MedMNIST: {}.", entry.source)];
    lines.push(
        "The authors of MedMNIST publish tables that map each index to its source image (README of medmnist 3.0.2)."
            .to_owned(),
    );
    lines.extend(entry.citations.clone());
    Question::new(question, vec![Answer::List(lines)])
}

fn software(facts: &Facts<'_>) -> Question {
    let question = "Is the software that was used to preprocess/clean/label the data available?";
    if facts.is_synthetic() {
        return Question::text(question, "Yes: it is Medley (medley data synth).");
    }
    Question::open(question, "The file cannot tell.")
}
