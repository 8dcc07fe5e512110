use super::{Answer, Facts, GENERATED, Question, of_people, see_description, sources};

pub(super) fn questions(facts: &Facts<'_>) -> Vec<Question> {
    let from_source = |question: &'static str| {
        if facts.is_synthetic() {
            Question::text(question, GENERATED)
        } else {
            Question::open(question, sources(facts))
        }
    };
    vec![
        acquired(facts),
        from_source(
            "What mechanisms or procedures were used to collect the data (e.g., hardware apparatuses or sensors, manual human \
             curation, software programs, software APIs)?",
        ),
        from_source("If the dataset is a sample from a larger set, what was the sampling strategy?"),
        from_source(
            "Who was involved in the data collection process (e.g., students, crowdworkers, contractors) and how were they \
             compensated?",
        ),
        from_source("Over what timeframe was the data collected?"),
        of_people(
            facts,
            "Were any ethical review processes conducted (e.g., by an institutional review board)?",
            sources(facts),
        ),
        obtained(facts),
        of_people(facts, "Were the individuals in question notified about the data collection?", sources(facts)),
        of_people(
            facts,
            "Did the individuals in question consent to the collection and use of their data?",
            sources(facts),
        ),
        of_people(
            facts,
            "If consent was obtained, were the consenting individuals provided with a mechanism to revoke their consent in the \
             future or for certain uses?",
            sources(facts),
        ),
        of_people(
            facts,
            "Has an analysis of the potential impact of the dataset and its use on data subjects (e.g., a data protection impact \
             analysis) been conducted?",
            sources(facts),
        ),
    ]
}

fn acquired(facts: &Facts<'_>) -> Question {
    let question = "How was the data associated with each instance acquired?";
    if facts.is_synthetic() {
        let remark = facts.remark.unwrap_or_default().trim();
        let text = format!("A program generated it, from a seed alone. The file says of itself: \"{remark}\".");
        return Question::text(question, text);
    }
    let mut answers: Vec<Answer> = see_description(facts).into_iter().collect();
    answers.push(Answer::Open(sources(facts)));
    Question::new(question, answers)
}

fn obtained(facts: &Facts<'_>) -> Question {
    let question = "Did you collect the data from the individuals in question directly, or obtain it via third parties or other \
                    sources (e.g., websites)?";
    match facts.entry.filter(|_| facts.is_official() && facts.shows_people() == Some(true)) {
        Some(entry) if !entry.citations.is_empty() => {
            Question::text(question, format!("MedMNIST obtained it from published data: {}.", entry.source))
        }
        _ => of_people(facts, question, sources(facts)),
    }
}
