//! What a rule is fitted on.

use medley_core::{Labels, Scores, TaskKind};

use crate::DecisionError;
use crate::table::Table;
use crate::tally::Tally;

/// Rows of one task with their labels, in the form that rules compute with.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    pub(crate) kind: TaskKind,
    pub(crate) classes: usize,
    pub(crate) scores: Scores,
    pub(crate) table: Table,
    /// `[N]` class indices, or `[N * L]` of 0 and 1.
    pub(crate) labels: Vec<u16>,
    /// Class frequencies in training, positive and summing to 1.
    pub(crate) priors: Vec<f64>,
    /// Strength of the shrinkage; see [`crate::FitOptions::ridge`].
    pub(crate) ridge: f64,
}

impl Problem {
    pub(crate) fn new(
        kind: TaskKind,
        classes: usize,
        scores: &Scores,
        labels: &Labels,
        counts: &[u64],
        ridge: f64,
    ) -> Self {
        // One example more of each, so that none is impossible.
        let total: f64 = counts.iter().map(|&count| count as f64 + 1.0).sum();
        Self {
            kind,
            classes,
            scores: scores.clone(),
            table: Table::new(kind, scores),
            labels: labels.values().to_vec(),
            priors: counts.iter().map(|&count| (count as f64 + 1.0) / total).collect(),
            ridge,
        }
    }

    pub(crate) fn rows(&self) -> usize {
        self.scores.rows()
    }

    /// Labels of one row.
    pub(crate) fn width(&self) -> usize {
        self.labels.len() / self.rows().max(1)
    }

    /// The rows of these numbers.
    pub(crate) fn select(&self, rows: &[usize]) -> Result<Self, DecisionError> {
        let width = self.width();
        Ok(Self {
            scores: select(&self.scores, rows)?,
            table: self.table.select(rows),
            labels: rows.iter().flat_map(|&row| &self.labels[row * width..(row + 1) * width]).copied().collect(),
            priors: self.priors.clone(),
            ..*self
        })
    }

    /// Macro-F1 of decisions for all rows.
    pub(crate) fn macro_f1(&self, decisions: &[u16]) -> f64 {
        Tally::of(self.kind, self.classes, &self.labels, decisions).macro_f1()
    }

    /// What a parameter that is `distance` from where it changes nothing costs, in units of macro-F1. It is less the more rows there
    /// are, as they then say it for themselves.
    pub(crate) fn penalty(&self, distance: f64) -> f64 {
        self.ridge * distance * distance / self.rows() as f64
    }
}

/// Some rows of a score matrix, in the order given.
pub(crate) fn select(scores: &Scores, rows: &[usize]) -> Result<Scores, DecisionError> {
    let values = rows.iter().flat_map(|&row| scores.row(row).to_vec()).collect();
    Ok(Scores::new(values, rows.len(), scores.columns())?)
}
