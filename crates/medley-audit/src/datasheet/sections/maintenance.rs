use super::{Answer, Facts, Question, README, of_people, sources};

pub(super) fn questions(facts: &Facts<'_>) -> Vec<Question> {
    vec![
        who(facts),
        contact(facts),
        erratum(facts),
        updates(facts),
        of_people(
            facts,
            "If the dataset relates to people, are there applicable limits on the retention of the data associated with the \
             instances?",
            sources(facts),
        ),
        older(facts),
        contributions(facts),
    ]
}

fn who(facts: &Facts<'_>) -> Question {
    let question = "Who will be supporting/hosting/maintaining the dataset?";
    if facts.is_synthetic() {
        return Question::text(question, "Nobody needs to: Medley can generate it again.");
    }
    if facts.is_official() {
        return Question::text(question, "The authors of MedMNIST maintain it; Zenodo hosts the files.");
    }
    Question::open(question, "The file cannot tell.")
}

fn contact(facts: &Facts<'_>) -> Question {
    let question = "How can the owner/curator/manager of the dataset be contacted (e.g., email address)?";
    if facts.is_official() {
        return Question::text(question, "By an issue at https://github.com/MedMNIST/MedMNIST.");
    }
    if facts.is_synthetic() {
        return Question::text(question, "Whoever ran medley data synth owns the file.");
    }
    Question::open(question, "The file cannot tell.")
}

fn erratum(facts: &Facts<'_>) -> Question {
    let question = "Is there an erratum?";
    if facts.is_synthetic() {
        return Question::text(question, "No.");
    }
    match facts.entry.filter(|_| facts.is_official()).map(|entry| entry.releases.len()) {
        Some(2..) => Question::text(
            question,
            "MedMNIST 2.2.4 (January 2024) removed a small number of blank samples from this set (changelog of MedMNIST).",
        ),
        Some(_) => Question::new(
            question,
            vec![
                Answer::text("The files of this set were not changed by 2.2.4, which corrected five others."),
                Answer::Open("Whether errors are known that were not corrected.".to_owned()),
            ],
        ),
        None => Question::open(question, "The file cannot tell."),
    }
}

fn updates(facts: &Facts<'_>) -> Question {
    let question =
        "Will the dataset be updated (e.g., to correct labeling errors, add new instances, delete instances)?";
    if facts.is_synthetic() {
        return Question::text(question, "When the generators change, so does their version, which the file states.");
    }
    Question::open(question, "The file cannot tell.")
}

fn older(facts: &Facts<'_>) -> Question {
    let question = "Will older versions of the dataset continue to be supported/hosted/maintained?";
    if facts.is_synthetic() {
        return Question::text(question, "Older versions of Medley generate them.");
    }
    match facts.entry.filter(|_| facts.is_official()).and_then(|entry| entry.releases.get(1)) {
        Some(release) => {
            let files = release.files.iter().map(|file| file.url.clone()).collect();
            let text =
                format!("The files of release {} had this address; Medley reads both generations.", release.name);
            let open = Answer::Open("Whether it will stay.".to_owned());
            Question::new(question, vec![Answer::text(text), Answer::List(files), open])
        }
        None => Question::open(question, "The file cannot tell."),
    }
}

fn contributions(facts: &Facts<'_>) -> Question {
    let question =
        "If others want to extend/augment/build on/contribute to the dataset, is there a mechanism for them to do so?";
    if facts.is_synthetic() {
        return Question::text(question, "The generators are part of Medley and open to contributions.");
    }
    if facts.is_official() {
        let text = format!(
            "The licence allows building on it with attribution; the package is at https://github.com/MedMNIST/MedMNIST ({README})."
        );
        return Question::text(question, text);
    }
    Question::open(question, "The file cannot tell.")
}
