//! The seven sections of the paper, one file each. A section asks its questions in the order of the paper.

mod collection;
mod composition;
mod distribution;
mod maintenance;
mod motivation;
mod preparation;
mod uses;

use medley_core::{Modality, Origin};

use super::document::{Answer, Claim, Question};
use super::facts::Facts;

/// Anchor, heading and questions.
pub(super) type Titled = (&'static str, &'static str, fn(&Facts<'_>) -> Vec<Question>);

pub(super) const ALL: [Titled; 7] = [
    ("motivation", "Motivation", motivation::questions),
    ("composition", "Composition", composition::questions),
    ("collection", "Collection process", collection::questions),
    ("preparation", "Preprocessing, cleaning and labelling", preparation::questions),
    ("uses", "Uses", uses::questions),
    ("distribution", "Distribution", distribution::questions),
    ("maintenance", "Maintenance", maintenance::questions),
];

const README: &str = "README of medmnist 3.0.2";
const PAPER: &str = "Yang et al., MedMNIST v2, Scientific Data 10:41, 2023";
const DRAWN: &str = "Nothing of the kind: the images were drawn by a program.";

/// Claims as an answer, unless there are none.
fn claims(claims: Vec<Claim>) -> Option<Answer> {
    (!claims.is_empty()).then_some(Answer::Claims(claims))
}

/// The description of the authors, word for word.
fn description(facts: &Facts<'_>) -> Option<Answer> {
    let known = facts.known?;
    let source = super::known::Known::builtin().description_source.clone();
    Some(Answer::Quote { text: known.description.clone(), source })
}

/// Where the description was quoted.
fn see_description(facts: &Facts<'_>) -> Option<Answer> {
    facts
        .known
        .map(|_| Answer::text("See the description by the authors of MedMNIST, quoted at the head of Composition."))
}

/// Where the answer may be found: the papers of the source, else those who made the set.
fn sources(facts: &Facts<'_>) -> String {
    let Some(entry) = facts.entry.filter(|_| facts.is_official()) else {
        return "The file cannot tell.".to_owned();
    };
    if entry.citations.is_empty() {
        return format!("The file cannot tell; {PAPER} introduces the data.");
    }
    let first: Vec<&str> = entry.citations.iter().map(|citation| short(citation)).collect();
    format!("The file cannot tell; the source data are described in {}.", first.join(" and in "))
}

/// The DOI of a citation, else the citation.
fn short(citation: &str) -> &str {
    citation.find("doi:").map_or(citation, |at| &citation[at..])
}

/// What the entry of a user's own set says of its source.
fn stated_source(facts: &Facts<'_>) -> Option<Answer> {
    let entry = facts.entry.filter(|entry| entry.origin == Origin::User && !entry.source.is_empty())?;
    let mut lines =
        vec![format!("The entry beside the file says of the source: {}.", entry.source.trim_end_matches('.'))];
    lines.extend(entry.citations.clone());
    Some(Answer::List(lines))
}

/// What is asked of people only: a question with the answer that drawn sets and animals give.
fn of_people(facts: &Facts<'_>, question: &'static str, hint: String) -> Question {
    match facts.shows_people() {
        Some(false) if facts.is_synthetic() => Question::text(question, DRAWN),
        Some(false) => Question::text(question, "The images do not show people."),
        _ => Question::open(question, hint),
    }
}

/// What the images show, in words.
fn modality(modality: Modality) -> &'static str {
    match modality {
        Modality::Pathology => "colon pathology",
        Modality::Dermatoscope => "dermatoscope",
        Modality::Oct => "retinal OCT",
        Modality::ChestXray => "chest X-ray",
        Modality::Fundus => "fundus camera",
        Modality::Ultrasound => "breast ultrasound",
        Modality::BloodMicroscope => "blood cell microscope",
        Modality::KidneyMicroscope => "kidney cortex microscope",
        Modality::AbdominalCt => "abdominal CT",
        Modality::ChestCt => "chest CT",
        Modality::BrainMra => "brain MRA",
        Modality::ElectronMicroscope => "electron microscope",
        Modality::Shape => "shape mask",
        Modality::Other => "other",
    }
}
