//! Truth and predictions of one task, checked once and prepared for being valued many times.
//!
//! A bootstrap or a permutation values the same predictions a thousand times with other weights on the rows. So what does not
//! depend on the weights (decisions, the cell of the confusion matrix of each row, the order of each score column) is
//! computed once and kept in a [`Sample`], and what does is a [`Draw`]: a multiplicity per row, and the counts that follow.

mod draw;
mod order;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use medley_core::{Labels, Scores, TaskKind, TaskSpec};

pub use self::draw::{ClassCounts, Draw};
pub(crate) use self::order::{RankOrder, sort_key};
use crate::MetricError;
use crate::evaluate::{check, decide};

/// Rows that a sample may have: row numbers and two flags share 32 bits.
const MOST_ROWS: usize = 1 << 30;
/// How far the scores of a row may sum from 1, and a score lie outside 0 to 1, and still be a probability: files are written
/// with few digits, and from single precision.
pub const PROBABILITY_TOLERANCE: f64 = 1e-3;

/// Labels and predictions of one task on the same rows.
#[derive(Debug)]
pub struct Sample {
    spec: TaskSpec,
    labels: Labels,
    scores: Option<Scores>,
    /// `[N]` class indices, or `[N * L]` of 0 and 1.
    decisions: Vec<u16>,
    /// Cell `truth * classes + decision` of each row; empty for multi-label tasks.
    cells: Vec<u32>,
    orders: Vec<OnceLock<RankOrder>>,
    probabilities: bool,
    /// Equal for rows that belong together.
    groups: Option<Vec<u64>>,
}

/// Which rows belong together.
pub(crate) struct Groups {
    /// The group of each row, from 0 in the order of their first rows.
    pub(crate) of_rows: Vec<u32>,
    pub(crate) count: usize,
}

/// What resampling draws.
pub(crate) struct Units {
    /// Units that are drawn among each other, as many as there are: rows, or places in `groups`.
    pub(crate) strata: Vec<Vec<u32>>,
    /// The rows of each group, where rows belong together.
    pub(crate) groups: Option<Vec<Vec<u32>>>,
}

impl Sample {
    /// Pairs labels with scores; decisions are those of [`decide`].
    ///
    /// # Errors
    /// When rows, columns or labels do not fit the task, or there are more than 2^30 rows.
    pub fn new(spec: &TaskSpec, labels: Labels, scores: Scores) -> Result<Self, MetricError> {
        check(spec, &labels, &scores)?;
        let decisions = decide(spec.kind, &scores);
        let probabilities = are_probabilities(spec.kind, &scores);
        let mut sample = Self::assemble(spec, labels, decisions)?;
        sample.orders = (0..scores.columns()).map(|_| OnceLock::new()).collect();
        sample.scores = Some(scores);
        sample.probabilities = probabilities;
        Ok(sample)
    }

    /// Pairs labels with decisions alone, as a submission holds them. Metrics that need scores are then undefined.
    ///
    /// # Errors
    /// As [`Self::new`], and when a decision is no class of the task.
    pub fn from_decisions(spec: &TaskSpec, labels: Labels, decisions: Vec<u16>) -> Result<Self, MetricError> {
        let width = spec.label_width();
        if decisions.len() != labels.rows() * width {
            let rows = decisions.len() / width;
            return Err(MetricError::Rows { task: spec.name.clone(), labels: labels.rows(), scores: rows });
        }
        let guessed = Labels::multi(decisions, labels.rows(), width)?;
        spec.check_labels(&guessed)?;
        spec.check_labels(&labels)?;
        Self::assemble(spec, labels, guessed.values().to_vec())
    }

    /// A sample with the counts of a confusion matrix `[truth][predicted]`, row by row, where the predictions themselves are not at
    /// hand. Only metrics of decisions are then defined.
    ///
    /// # Errors
    /// As [`Self::from_decisions`], and when there are more than 2^30 rows.
    pub fn from_confusion(spec: &TaskSpec, counts: &[Vec<u64>]) -> Result<Self, MetricError> {
        let total = counts.iter().flatten().fold(0_u64, |sum, &count| sum.saturating_add(count));
        if total >= MOST_ROWS as u64 {
            return Err(MetricError::TooManyRows { task: spec.name.clone(), rows: total as usize });
        }
        let (mut labels, mut decisions) = (Vec::new(), Vec::new());
        for (truth, row) in counts.iter().enumerate() {
            for (predicted, &count) in row.iter().enumerate() {
                labels.extend(std::iter::repeat_n(truth as u16, count as usize));
                decisions.extend(std::iter::repeat_n(predicted as u16, count as usize));
            }
        }
        Self::from_decisions(spec, Labels::single(labels)?, decisions)
    }

    fn assemble(spec: &TaskSpec, labels: Labels, decisions: Vec<u16>) -> Result<Self, MetricError> {
        let task = || spec.name.clone();
        if labels.rows() == 0 {
            return Err(MetricError::NoRows { task: task() });
        }
        if labels.rows() >= MOST_ROWS {
            return Err(MetricError::TooManyRows { task: task(), rows: labels.rows() });
        }
        let classes = spec.outputs() as u32;
        let cells = if spec.kind == TaskKind::MultiLabel {
            Vec::new()
        } else {
            let pairs = labels.values().iter().zip(&decisions);
            pairs.map(|(&truth, &guess)| u32::from(truth) * classes + u32::from(guess)).collect()
        };
        let spec = spec.clone();
        Ok(Self {
            spec,
            labels,
            scores: None,
            decisions,
            cells,
            orders: Vec::new(),
            probabilities: false,
            groups: None,
        })
    }

    /// Says which rows belong together, such as the images of one patient: those of equal numbers. The bootstrap then draws whole groups,
    /// a permutation exchanges them, and the variance of an AUC is theirs, as images of one patient say less than as many of others.
    ///
    /// # Errors
    /// [`MetricError::Groups`] where there is not a number for each row.
    pub fn set_groups(&mut self, groups: Vec<u64>) -> Result<(), MetricError> {
        if groups.len() != self.rows() {
            let task = self.spec.name.clone();
            return Err(MetricError::Groups { task, groups: groups.len(), rows: self.rows() });
        }
        self.groups = Some(groups);
        Ok(())
    }

    /// The rows of two predictors one after the other, so that weights can choose among them.
    ///
    /// # Errors
    /// [`MetricError::NotPaired`] when they were not measured on the same rows of the same task.
    pub fn stack(a: &Self, b: &Self) -> Result<Self, MetricError> {
        a.check_pair(b)?;
        let labels = Labels::multi([a.labels.values(), b.labels.values()].concat(), 2 * a.rows(), a.labels.width())?;
        match (&a.scores, &b.scores) {
            (Some(one), Some(two)) if one.columns() == two.columns() => {
                let values = one.view().iter().chain(two.view().iter()).copied().collect();
                Self::new(&a.spec, labels, Scores::new(values, 2 * a.rows(), one.columns())?)
            }
            _ => Self::from_decisions(&a.spec, labels, [a.decisions.as_slice(), &b.decisions].concat()),
        }
    }

    /// Some of the rows, in this order. Those that belong together still do.
    ///
    /// # Errors
    /// [`MetricError::NoRows`].
    ///
    /// # Panics
    /// If there is no such row.
    pub fn only(&self, rows: &[usize]) -> Result<Self, MetricError> {
        let width = self.labels.width();
        let of_rows = |values: &[u16]| rows.iter().flat_map(|&row| values[row * width..][..width].to_vec()).collect();
        let labels = Labels::multi(of_rows(self.labels.values()), rows.len(), width)?;
        let some = match &self.scores {
            Some(scores) => {
                let values = rows.iter().flat_map(|&row| scores.row(row).to_vec()).collect();
                Self::new(&self.spec, labels, Scores::new(values, rows.len(), scores.columns())?)?
            }
            None => Self::from_decisions(&self.spec, labels, of_rows(&self.decisions))?,
        };
        let groups = self.groups.as_ref().map(|groups| rows.iter().map(|&row| groups[row]).collect());
        Ok(Self { groups, ..some })
    }

    /// Whether another predictor was measured on the same rows of the same task, so that both can be compared row by row.
    ///
    /// # Errors
    /// [`MetricError::NotPaired`] with the reason.
    pub fn check_pair(&self, other: &Self) -> Result<(), MetricError> {
        let reason = if self.spec.name != other.spec.name {
            format!("one is of `{}`", other.spec.name)
        } else if self.rows() != other.rows() {
            format!("they cover {} and {} rows", self.rows(), other.rows())
        } else if self.labels != other.labels {
            "they are compared with different labels".to_owned()
        } else {
            return Ok(());
        };
        Err(MetricError::NotPaired { task: self.spec.name.clone(), reason })
    }

    /// The task.
    pub fn spec(&self) -> &TaskSpec {
        &self.spec
    }

    /// How its labels are read.
    pub fn kind(&self) -> TaskKind {
        self.spec.kind
    }

    /// Number of rows, at least 1.
    pub fn rows(&self) -> usize {
        self.labels.rows()
    }

    /// Number of classes, or of labels of a multi-label task.
    pub fn classes(&self) -> usize {
        self.spec.outputs()
    }

    /// The truth.
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// The scores, if the predictions have any.
    pub fn scores(&self) -> Option<&Scores> {
        self.scores.as_ref()
    }

    /// The scores, if they are probabilities: each in 0 to 1, and where classes exclude each other, summing to 1, both up to
    /// [`PROBABILITY_TOLERANCE`].
    pub fn probabilities(&self) -> Option<&Scores> {
        self.scores.as_ref().filter(|_| self.probabilities)
    }

    /// Class indices `[N]`, or 0 and 1 `[N * L]` row by row for multi-label tasks.
    pub fn decisions(&self) -> &[u16] {
        &self.decisions
    }

    /// Whether a row truly is of a class, or has a label.
    pub fn is_positive(&self, row: usize, class: usize) -> bool {
        if self.kind() == TaskKind::MultiLabel {
            self.labels.row(row)[class] == 1
        } else {
            usize::from(self.labels.values()[row]) == class
        }
    }

    /// How often each class is true, or each label set.
    pub fn class_counts(&self) -> Vec<usize> {
        self.labels.class_counts(self.classes())
    }

    /// The score columns that metrics of ranking look at, each with the class it is of: all of them, and for binary tasks the
    /// last alone, as in the official evaluator. Empty without scores.
    pub fn ranked_columns(&self) -> Vec<(usize, usize)> {
        match (&self.scores, self.kind()) {
            (None, _) => Vec::new(),
            (Some(scores), TaskKind::Binary) => vec![(scores.columns() - 1, 1)],
            (Some(scores), _) => (0..scores.columns()).map(|column| (column, column)).collect(),
        }
    }

    /// Probability of `class` in a row; the other one of a binary task with one column is its complement.
    pub(crate) fn probability(&self, scores: &Scores, row: usize, class: usize) -> f64 {
        match (scores.columns(), class) {
            (1, 0) if self.kind() == TaskKind::Binary => 1.0 - scores.view()[(row, 0)],
            (1, _) => scores.view()[(row, 0)],
            _ => scores.view()[(row, class)],
        }
    }

    /// The rows in the order of a score column, computed once.
    ///
    /// # Panics
    /// If there is no such column.
    pub(crate) fn order(&self, column: usize, class: usize) -> &RankOrder {
        self.orders[column].get_or_init(|| {
            let scores = self.scores.as_ref().expect("a sample with orders has scores");
            let scores = scores.view().column(column).to_vec();
            RankOrder::new(&scores, |row| self.is_positive(row, class))
        })
    }

    /// Rows that resampling keeps apart: those of each class, so that every resample has as many examples of each class as
    /// the test set. A multi-label task is one stratum.
    pub(crate) fn strata(&self) -> Vec<Vec<u32>> {
        if self.kind() == TaskKind::MultiLabel {
            return vec![(0..self.rows() as u32).collect()];
        }
        let mut strata = vec![Vec::new(); self.classes()];
        for (row, &label) in self.labels.values().iter().enumerate() {
            strata[usize::from(label)].push(row as u32);
        }
        strata.retain(|rows| !rows.is_empty());
        strata
    }

    /// What resampling draws: the rows of each class, or the groups whose first row is of it.
    pub(crate) fn units(&self) -> Units {
        let strata = self.strata();
        let Some(Groups { of_rows, count }) = self.groups() else { return Units { strata, groups: None } };
        let mut groups: Vec<Vec<u32>> = vec![Vec::new(); count];
        for (row, &group) in of_rows.iter().enumerate() {
            groups[group as usize].push(row as u32);
        }
        let leads = |row: &u32| {
            let group = of_rows[*row as usize];
            (groups[group as usize][0] == *row).then_some(group)
        };
        let strata = strata.iter().map(|rows| rows.iter().filter_map(leads).collect()).collect();
        Units { strata, groups: Some(groups) }
    }

    /// The groups of [`Self::set_groups`]; `None` where each row stands for itself.
    pub(crate) fn groups(&self) -> Option<Groups> {
        let mut numbers = BTreeMap::new();
        let number = |group: &u64| {
            let next = numbers.len() as u32;
            *numbers.entry(*group).or_insert(next)
        };
        let of_rows: Vec<u32> = self.groups.as_ref()?.iter().map(number).collect();
        Some(Groups { of_rows, count: numbers.len() })
    }
}

fn are_probabilities(kind: TaskKind, scores: &Scores) -> bool {
    let range = -PROBABILITY_TOLERANCE..=1.0 + PROBABILITY_TOLERANCE;
    let exclusive = kind != TaskKind::MultiLabel && scores.columns() > 1;
    scores.view().rows().into_iter().all(|row| {
        row.iter().all(|score| range.contains(score))
            && (!exclusive || (row.sum() - 1.0).abs() <= PROBABILITY_TOLERANCE)
    })
}
