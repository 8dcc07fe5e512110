use super::super::claims as check;
use super::super::document::Table;
use super::{Answer, Facts, Question, claims, sources};

pub(super) fn questions(facts: &Facts<'_>) -> Vec<Question> {
    vec![third_parties(facts), how(facts), when(facts), licence(facts), restrictions(facts), export(facts)]
}

fn third_parties(facts: &Facts<'_>) -> Question {
    let question = "Will the dataset be distributed to third parties outside of the entity (e.g., company, institution, \
                    organization) on behalf of which the dataset was created?";
    if facts.is_synthetic() {
        return Question::text(question, "There is no need: everybody can generate it.");
    }
    if facts.is_official() {
        return Question::text(question, "Yes, it is public.");
    }
    Question::open(question, "The file cannot tell.")
}

fn how(facts: &Facts<'_>) -> Question {
    let question = "How will the dataset be distributed (e.g., tarball on website, API, GitHub)? Does the dataset have a digital \
                    object identifier (DOI)?";
    if facts.is_synthetic() {
        return Question::text(
            question,
            "By its seed, from which the same version of Medley generates the same bytes. It has no DOI.",
        );
    }
    let mut answers = Vec::new();
    if let Some(entry) = facts.entry.filter(|_| facts.is_official()) {
        answers.push(Answer::text("On Zenodo, doi:10.5281/zenodo.10519652, one file for each size:"));
        let rows = entry.releases.iter().flat_map(|release| {
            release
                .files
                .iter()
                .map(|file| vec![entry.file_name(file.size), release.name.clone(), file.md5.clone(), file.url.clone()])
        });
        answers.push(Answer::Table(Table {
            caption: "Published files; release any: the same in all releases of MedMNIST v2 and v3".to_owned(),
            header: ["file", "release", "MD5", "address"].map(str::to_owned).into(),
            rows: rows.collect(),
        }));
    } else {
        answers.push(Answer::Open("The file cannot tell.".to_owned()));
    }
    let hashes = [("MD5", &facts.opened.record.md5), ("SHA-256", &facts.opened.record.sha256)];
    answers.push(Answer::Table(Table {
        caption: format!("This file, {}", facts.opened.record.file),
        header: ["hash", "found"].map(str::to_owned).into(),
        rows: hashes.map(|(name, value)| vec![name.to_owned(), value.clone()]).into(),
    }));
    answers.extend(claims(check::identity(facts)));
    Question::new(question, answers)
}

fn when(facts: &Facts<'_>) -> Question {
    let question = "When will the dataset be distributed?";
    if facts.is_synthetic() {
        return Question::text(question, "It can be generated at any time.");
    }
    if facts.is_official() {
        return Question::text(question, "It is public; the files of release 2.2.4 and later since January 2024.");
    }
    Question::open(question, "The file cannot tell.")
}

fn licence(facts: &Facts<'_>) -> Question {
    let question = "Will the dataset be distributed under a copyright or other intellectual property (IP) license, and/or under \
                    applicable terms of use (ToU)?";
    if facts.is_synthetic() {
        return Question::open(
            question,
            "No third party has rights in synthetic images; whoever passes them on should say that they are synthetic.",
        );
    }
    let Some(entry) = facts.entry else { return Question::open(question, "The file names no licence.") };
    let mut answers = Vec::new();
    if let Some(address) = address(&entry.licence) {
        answers.push(Answer::text(format!("{}, {address}", entry.licence)));
    }
    if facts.is_official() {
        let mut wanted = vec![medley_data::Registry::builtin().citation.clone()];
        wanted.extend(entry.citations.clone());
        answers.push(Answer::text("It asks for attribution; the authors wish these papers to be cited:"));
        answers.push(Answer::List(wanted));
    }
    answers.extend(claims(check::licence(facts)));
    Question::new(question, answers)
}

fn address(licence: &str) -> Option<&'static str> {
    match licence {
        "CC BY 4.0" => Some("https://creativecommons.org/licenses/by/4.0/"),
        "CC BY-NC 4.0" => Some("https://creativecommons.org/licenses/by-nc/4.0/"),
        _ => None,
    }
}

fn restrictions(facts: &Facts<'_>) -> Question {
    let question =
        "Have any third parties imposed IP-based or other restrictions on the data associated with the instances?";
    if facts.is_synthetic() {
        return Question::text(question, "No.");
    }
    Question::open(question, sources(facts))
}

fn export(facts: &Facts<'_>) -> Question {
    let question =
        "Do any export controls or other regulatory restrictions apply to the dataset or to individual instances?";
    if facts.is_synthetic() {
        return Question::text(question, "None that Medley's authors know of: the images have no medical content.");
    }
    Question::open(question, "The file cannot tell.")
}
