use std::fmt;

use crate::PredictionError;

/// How many problems a message names.
const NAMED: usize = 10;

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineProblem {
    /// 1-based.
    pub line: usize,
    /// What is wrong.
    pub problem: String,
}

impl fmt::Display for LineProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.problem)
    }
}

/// Gathers what is wrong, and keeps the first ten.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    named: Vec<LineProblem>,
    more: usize,
}

impl Problems {
    pub(crate) fn add(&mut self, line: usize, problem: impl Into<String>) {
        if self.named.len() < NAMED {
            self.named.push(LineProblem { line, problem: problem.into() });
        } else {
            self.more += 1;
        }
    }

    pub(crate) fn check(self) -> Result<(), PredictionError> {
        if self.named.is_empty() {
            Ok(())
        } else {
            Err(PredictionError::Lines { problems: self.named, more: self.more })
        }
    }
}

/// The text of [`PredictionError::Lines`].
pub(crate) fn describe(problems: &[LineProblem], more: usize) -> String {
    if let ([only], 0) = (problems, more) {
        return only.to_string();
    }
    let mut lines = vec![format!("{} lines are wrong:", problems.len() + more)];
    lines.extend(problems.iter().map(|problem| format!("  {problem}")));
    lines.extend((more > 0).then(|| format!("  and {more} more")));
    lines.join("\n")
}

/// `3, 5, 8 and 120 more`: the first ten of many numbers.
pub(crate) fn some(numbers: impl Iterator<Item = usize>) -> Option<String> {
    let (mut named, mut more) = (Vec::new(), 0);
    for number in numbers {
        if named.len() < NAMED {
            named.push(number.to_string());
        } else {
            more += 1;
        }
    }
    let text = named.join(", ");
    (!named.is_empty()).then(|| if more > 0 { format!("{text} and {more} more") } else { text })
}
