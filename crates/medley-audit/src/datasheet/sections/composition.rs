use medley_core::text::plural;
use medley_core::{Split, TaskKind};

use super::super::claims as check;
use super::super::document::{Table, count};
use super::{Answer, Facts, GENERATED, Question, claims, description, modality, of_people, sources, stated_source};

pub(super) fn questions(facts: &Facts<'_>) -> Vec<Question> {
    vec![
        instances(facts),
        how_many(facts),
        sample(facts),
        content(facts),
        labels(facts),
        missing(facts),
        relationships(facts),
        splits(facts),
        errors(facts),
        self_contained(facts),
        confidential(facts),
        offensive(facts),
        of_people(facts, "Does the dataset identify any subpopulations (e.g., by age, gender)?", no_persons(facts)),
        of_people(
            facts,
            "Is it possible to identify individuals (i.e., one or more natural persons), either directly or indirectly (i.e., in \
             combination with other data) from the dataset?",
            no_persons(facts),
        ),
        sensitive(facts),
    ]
}

fn instances(facts: &Facts<'_>) -> Question {
    let spec = facts.spec();
    let what = if spec.shape.depth.is_some() { "volume" } else { "image" };
    let text = if facts.is_synthetic() {
        format!("Synthetic images in the style of {}: one {what} and its label each.", modality(spec.modality))
    } else if facts.is_official() {
        format!("Medical images ({}): one {what} and its label each.", modality(spec.modality))
    } else {
        format!("One {what} and its label each.")
    };
    let mut answers = vec![Answer::text(text)];
    answers.extend(description(facts));
    if !facts.is_official() && !facts.is_synthetic() {
        answers.extend(stated_source(facts));
        answers.push(Answer::Open("What the images show.".to_owned()));
    }
    Question::new(
        "What do the instances that comprise the dataset represent (e.g., documents, photos, people, countries)? Are there \
         multiple types of instances?",
        answers,
    )
}

fn how_many(facts: &Facts<'_>) -> Question {
    let rows = facts.measured.rows;
    let text = format!(
        "{}: {} in train, {} in val, {} in test.",
        plural(facts.measured.total(), "image"),
        count(rows[0]),
        count(rows[1]),
        count(rows[2])
    );
    let mut answers = vec![Answer::text(text), Answer::Table(class_table(facts))];
    answers.extend(claims(check::counts(facts)));
    Question::new("How many instances are there in total (of each type, if appropriate)?", answers)
}

/// Examples per class and split, with shares of the split.
fn class_table(facts: &Facts<'_>) -> Table {
    let spec = facts.spec();
    let multi = spec.kind == TaskKind::MultiLabel;
    let cell = |split: Split, class: usize| {
        facts.measured.classes[split as usize].as_ref().map_or_else(
            || "sealed".to_owned(),
            |counts| {
                let share = 100.0 * counts[class] as f64 / facts.measured.rows[split as usize].max(1) as f64;
                format!("{} ({share:.1} %)", count(counts[class]))
            },
        )
    };
    let rows = spec.classes.iter().enumerate().map(|(class, name)| {
        let number = class.to_string();
        let mut row = vec![if *name == number { number } else { format!("{number}: {name}") }];
        row.extend(Split::ALL.map(|split| cell(split, class)));
        row
    });
    Table {
        caption: if multi { "Images with each label, as found" } else { "Images of each class, as found" }.to_owned(),
        header: [if multi { "label" } else { "class" }, "train", "val", "test"].map(str::to_owned).into(),
        rows: rows.collect(),
    }
}

fn sample(facts: &Facts<'_>) -> Question {
    let question = "Does the dataset contain all possible instances or is it a sample (not necessarily random) of instances from a \
                    larger set?";
    if facts.is_synthetic() {
        return Question::text(question, "A sample: other seeds give other images.");
    }
    let open = Answer::Open(format!("How representative the sample is. {}", sources(facts)));
    let Some(entry) = facts.entry.filter(|_| facts.is_official()) else { return Question::new(question, vec![open]) };
    Question::new(question, vec![Answer::text(format!("It was made from {}.", entry.source)), open])
}

fn content(facts: &Facts<'_>) -> Question {
    let (spec, measured) = (facts.spec(), &facts.measured);
    let (least, greatest) = measured.range;
    let text = format!(
        "One {} of {} values (rows x columns x channels{}), unsigned bytes from {least} to {greatest}: preprocessed pixels, not \
         features.",
        if spec.shape.depth.is_some() { "volume" } else { "image" },
        spec.shape,
        if spec.shape.depth.is_some() { ", slices first" } else { "" },
    );
    let mut answers = vec![Answer::text(text)];
    answers.extend(claims(check::images(facts)));
    answers.extend(claims(check::generated(facts)));
    Question::new(
        "What data does each instance consist of? \"Raw\" data (e.g., unprocessed text or images) or features?",
        answers,
    )
}

fn labels(facts: &Facts<'_>) -> Question {
    let spec = facts.spec();
    let text = match spec.kind {
        TaskKind::Binary => "Yes: one of two classes.".to_owned(),
        TaskKind::MultiClass => format!("Yes: one of {} unordered classes.", spec.outputs()),
        TaskKind::Ordinal => format!("Yes: one of {} ordered grades.", spec.outputs()),
        TaskKind::MultiLabel => format!(
            "Yes: {} independent yes/no labels. {} in train and val have none of them set.",
            spec.outputs(),
            plural(facts.measured.without_label, "image")
        ),
    };
    let mut answers = vec![Answer::text(text)];
    let absent: Vec<String> = Split::ALL
        .into_iter()
        .filter_map(|split| {
            let names: Vec<&str> =
                facts.measured.absent(split).into_iter().map(|class| spec.classes[class].as_str()).collect();
            (!names.is_empty()).then(|| format!("Without an example in {split}: {}.", names.join(", ")))
        })
        .collect();
    if !absent.is_empty() {
        answers.push(Answer::List(absent));
    }
    answers.extend(claims(check::labels(facts)));
    Question::new("Is there a label or target associated with each instance?", answers)
}

fn missing(facts: &Facts<'_>) -> Question {
    let blank = facts.measured.blank;
    let mut lines =
        vec!["Every image has its label, every split is there, and every checksum of the archive is right.".to_owned()];
    lines.push(if blank == [0; 3] {
        "No image is blank (of one single value).".to_owned()
    } else {
        format!(
            "Blank images (of one single value): {} in train, {} in val, {} in test.",
            count(blank[0]),
            count(blank[1]),
            count(blank[2])
        )
    });
    if !facts.is_synthetic() {
        lines.push("Patients, devices and dates of the images are not in the file.".to_owned());
    }
    let mut answers = vec![Answer::List(lines)];
    answers.extend(claims(check::blanks(facts)));
    Question::new("Is any information missing from individual instances?", answers)
}

fn relationships(facts: &Facts<'_>) -> Question {
    let question = "Are relationships between individual instances made explicit (e.g., users' movie ratings, social network links)?";
    let text = if facts.is_synthetic() {
        "There are none: every image is generated by itself."
    } else {
        "No: which images show the same patient, lesion or scan is not in the file."
    };
    Question::text(question, text)
}

fn splits(facts: &Facts<'_>) -> Question {
    let text = if facts.is_synthetic() {
        "Yes: train, val and test are generated separately, each with its own class balance."
    } else {
        "Yes: train to fit, val to select, test for the final score, once. The split is part of the file."
    };
    let mut answers = vec![Answer::text(text)];
    answers.extend(claims(check::splits(facts)));
    if !facts.is_synthetic() && !facts.is_official() {
        answers.push(Answer::Open("How the splits were made, and whether one person is in one split only.".to_owned()));
    }
    Question::new("Are there recommended data splits (e.g., training, development/validation, testing)?", answers)
}

fn errors(facts: &Facts<'_>) -> Question {
    let found = facts.measured.duplicates;
    let mut lines = vec![if found.groups == 0 {
        "No two images are equal byte for byte.".to_owned()
    } else {
        format!(
            "{} of images that are equal byte for byte; {} lie in more than one split, {} of these in test. In {} the labels in \
             train and val contradict each other.",
            plural(found.groups, "group"),
            count(found.across),
            count(found.with_test),
            count(found.contradicting)
        )
    }];
    lines.extend(facts.known.into_iter().flat_map(|known| known.remarks.iter().cloned()));
    if facts.is_synthetic() {
        lines.push("Some labels are wrong on purpose, as in real sets.".to_owned());
    }
    let mut answers = vec![Answer::List(lines)];
    if !facts.is_synthetic() {
        answers.push(Answer::Open(format!("How often the labels are wrong. {}", sources(facts))));
    }
    Question::new("Are there any errors, sources of noise, or redundancies in the dataset?", answers)
}

fn self_contained(facts: &Facts<'_>) -> Question {
    let question = "Is the dataset self-contained, or does it link to or otherwise rely on external resources (e.g., websites, \
                    tweets, other datasets)?";
    Question::text(question, format!("Self-contained: everything is in {}.", facts.opened.record.file))
}

fn confidential(facts: &Facts<'_>) -> Question {
    let question = "Does the dataset contain data that might be considered confidential (e.g., data that is protected by legal \
                    privilege or by doctor-patient confidentiality)?";
    of_people(facts, question, format!("The images come from medical examinations. {}", sources(facts)))
}

fn offensive(facts: &Facts<'_>) -> Question {
    let question = "Does the dataset contain data that, if viewed directly, might be offensive, insulting, threatening, or might \
                    otherwise cause anxiety?";
    if facts.is_synthetic() {
        return Question::text(question, "No: they are synthetic.");
    }
    if !facts.is_official() {
        return Question::open(question, "The file cannot tell.");
    }
    let of = if facts.shows_people() == Some(true) { "people" } else { "an animal" };
    let text = format!("They are small medical images of {of} with a label each, and nothing else.");
    Question::text(question, text)
}

fn sensitive(facts: &Facts<'_>) -> Question {
    let question = "Does the dataset contain data that might be considered sensitive in any way (e.g., data that reveals race or \
                    ethnic origins, health data; biometric or genetic data)?";
    match facts.shows_people() {
        Some(true) => Question::text(
            question,
            "Yes: medical images and what their labels say are health data. The file holds no names.",
        ),
        Some(false) if facts.is_synthetic() => Question::text(question, GENERATED),
        Some(false) => Question::text(question, "No: the images do not show people."),
        None => Question::open(question, "The file cannot tell."),
    }
}

fn no_persons(facts: &Facts<'_>) -> String {
    format!("The file holds no age, sex, name or patient number. {}", sources(facts))
}
