//! What a datasheet consists of, whatever it is rendered to.

use medley_core::text::plural;
use serde::Serialize;

/// The last line of every datasheet.
pub(super) const COLOPHON: &str = concat!(
    "Made by Medley ",
    env!("CARGO_PKG_VERSION"),
    " (medley data datasheet) from the file alone. Questions: Gebru et al., Datasheets for Datasets, Communications of the ACM \
     64(12), 2021."
);

/// A datasheet.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Datasheet {
    /// The set, such as `BreastMNIST`.
    pub title: String,
    /// File name, without its folder.
    pub file: String,
    /// Whether the images were drawn by Medley.
    pub synthetic: bool,
    /// What the file is, among those published, in a sentence.
    pub verdict: String,
    /// The seven sections.
    pub sections: Vec<Section>,
}

/// One of the seven sections.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Section {
    /// Anchor, such as `composition`.
    pub id: &'static str,
    /// Heading.
    pub title: &'static str,
    /// Its questions, in the order of the paper.
    pub questions: Vec<Question>,
}

/// A question of the paper and what is known.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Question {
    /// As the paper asks it.
    pub question: &'static str,
    /// In reading order; never empty.
    pub answers: Vec<Answer>,
}

/// A part of an answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// A paragraph.
    Text(String),
    /// Words of somebody else.
    Quote {
        /// Word for word.
        text: String,
        /// Whose.
        source: String,
    },
    /// Several short paragraphs.
    List(Vec<String>),
    /// Figures.
    Table(Table),
    /// Statements that were held against the file.
    Claims(Vec<Claim>),
    /// What only the maintainer can say.
    Open(String),
}

/// Figures in rows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Table {
    /// What it shows.
    pub caption: String,
    /// Headings of the columns.
    pub header: Vec<String>,
    /// Cells; the first of a row names it.
    pub rows: Vec<Vec<String>>,
}

/// A statement that somebody made about the file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Claim {
    /// What it is about, such as `images in train`.
    pub about: String,
    /// What is stated.
    pub stated: String,
    /// Who states it.
    pub source: String,
    /// What a look at the file says.
    pub finding: Finding,
}

/// The outcome of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "check")]
pub enum Finding {
    /// The file says the same.
    Agrees {
        /// What the file says, where that is more exact than what is stated.
        #[serde(skip_serializing_if = "Option::is_none")]
        found: Option<String>,
    },
    /// The file says something else.
    Differs {
        /// What the file says.
        found: String,
    },
    /// The file cannot tell, or may not be asked.
    NotCheckable {
        /// Why not.
        reason: String,
    },
}

/// How many claims went which way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Claims that the file bears out.
    pub agrees: usize,
    /// Claims that the file contradicts.
    pub differs: usize,
    /// Claims that the file cannot tell about.
    pub not_checkable: usize,
    /// Questions, or parts of them, that are left to the maintainer.
    pub open: usize,
}

impl Datasheet {
    /// All claims, in reading order.
    pub fn claims(&self) -> impl Iterator<Item = &Claim> {
        self.answers()
            .filter_map(|answer| if let Answer::Claims(claims) = answer { Some(claims) } else { None })
            .flatten()
    }

    /// Counts the claims by their findings, and the open questions.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally {
            open: self.answers().filter(|answer| matches!(answer, Answer::Open(_))).count(),
            ..Tally::default()
        };
        for claim in self.claims() {
            match claim.finding {
                Finding::Agrees { .. } => tally.agrees += 1,
                Finding::Differs { .. } => tally.differs += 1,
                Finding::NotCheckable { .. } => tally.not_checkable += 1,
            }
        }
        tally
    }

    fn answers(&self) -> impl Iterator<Item = &Answer> {
        self.sections.iter().flat_map(|section| &section.questions).flat_map(|question| &question.answers)
    }
}

impl Tally {
    /// The counts in words.
    pub fn sentence(&self) -> String {
        let claims = self.agrees + self.differs + self.not_checkable;
        format!(
            "{} checked against the file: {} agree, {} differ, {} cannot be checked here. {} left to the maintainer.",
            plural(claims, "claim"),
            self.agrees,
            self.differs,
            self.not_checkable,
            plural(self.open, "question"),
        )
    }
}

impl Claim {
    /// A claim of which two texts can be compared.
    pub(super) fn compared(about: &str, stated: impl ToString, source: &str, found: impl ToString) -> Self {
        let (stated, found) = (stated.to_string(), found.to_string());
        let finding = if stated == found { Finding::Agrees { found: None } } else { Finding::Differs { found } };
        Self { about: about.to_owned(), stated, source: source.to_owned(), finding }
    }

    /// A claim that was judged by other means than equality of texts.
    pub(super) fn judged(about: &str, stated: impl ToString, source: &str, agrees: bool, found: impl ToString) -> Self {
        let (stated, found) = (stated.to_string(), found.to_string());
        let finding = if agrees { Finding::Agrees { found: Some(found) } } else { Finding::Differs { found } };
        Self { about: about.to_owned(), stated, source: source.to_owned(), finding }
    }

    /// A claim about which the file is silent.
    pub(super) fn unchecked(about: &str, stated: impl ToString, source: &str, reason: &str) -> Self {
        let finding = Finding::NotCheckable { reason: reason.to_owned() };
        Self { about: about.to_owned(), stated: stated.to_string(), source: source.to_owned(), finding }
    }
}

impl Finding {
    /// The outcome in words: `agrees`, `differs`, `not checkable here`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Agrees { .. } => "agrees",
            Self::Differs { .. } => "differs",
            Self::NotCheckable { .. } => "not checkable here",
        }
    }

    /// What was found, or why nothing could be.
    pub fn detail(&self) -> String {
        match self {
            Self::Agrees { found: None } => String::new(),
            Self::Agrees { found: Some(found) } | Self::Differs { found } => format!("found {found}"),
            Self::NotCheckable { reason } => reason.clone(),
        }
    }
}

impl Question {
    pub(super) fn new(question: &'static str, answers: Vec<Answer>) -> Self {
        Self { question, answers }
    }

    /// A question that is answered in one paragraph.
    pub(super) fn text(question: &'static str, text: impl Into<String>) -> Self {
        Self::new(question, vec![Answer::text(text)])
    }

    /// A question that only the maintainer can answer; `hint` says where the answer may be found.
    pub(super) fn open(question: &'static str, hint: impl Into<String>) -> Self {
        Self::new(question, vec![Answer::Open(hint.into())])
    }
}

impl Answer {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }
}

/// A count with commas between thousands.
pub(super) fn count(value: usize) -> String {
    medley_core::text::count(value as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_agree_and_others_show_what_was_found() {
        assert_eq!(Claim::compared("n", 3, "s", 3).finding, Finding::Agrees { found: None });
        assert_eq!(Claim::compared("n", 3, "s", 4).finding, Finding::Differs { found: "4".into() });
    }
}
