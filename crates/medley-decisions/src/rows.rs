//! The rows that rules and weights are fitted on.

use medley_core::{Labels, TaskSpec};

use crate::folds::{drawn, splits};
use crate::{DecisionError, FitOptions};

/// The rows that something is fitted on, and those that it is judged by.
type Part = (Vec<usize>, Vec<usize>);

/// Rows of one task that no network was trained on, with their labels: those of the validation split, or of all folds.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    pub(crate) spec: &'a TaskSpec,
    pub(crate) labels: &'a Labels,
    folds: Option<&'a [usize]>,
}

impl<'a> Rows<'a> {
    /// Rows that are cross-fitted in folds that are drawn for it, stratified by class.
    pub fn new(spec: &'a TaskSpec, labels: &'a Labels) -> Self {
        Self { spec, labels, folds: None }
    }

    /// Out-of-fold rows: `folds` says in which fold each was when networks were trained. Cross-fitting keeps to these folds, so that rows
    /// which were kept together then, as those of one patient, are never on both sides.
    #[must_use]
    pub fn in_folds(self, folds: &'a [usize]) -> Self {
        Self { folds: Some(folds), ..self }
    }

    /// For each part the rows of all others, ascending, and its own. Folds of training beyond the number of parts are put together.
    ///
    /// # Errors
    /// [`DecisionError::Folds`] when there is not one number for each row, or only one fold.
    pub(crate) fn splits(&self, options: &FitOptions) -> Result<Vec<Part>, DecisionError> {
        let rows = self.labels.rows();
        let Some(folds) = self.folds else {
            return Ok(splits(&drawn(self.spec.kind, self.labels, options.folds, options.seed), rows));
        };
        let mut numbers = folds.to_vec();
        numbers.sort_unstable();
        numbers.dedup();
        if folds.len() != rows || numbers.len() < 2 {
            let task = self.spec.name.clone();
            return Err(DecisionError::Folds { task, rows, found: folds.len(), folds: numbers.len() });
        }
        let mut parts = vec![Vec::new(); numbers.len().min(options.folds)];
        let count = parts.len();
        for (row, fold) in folds.iter().enumerate() {
            let at = numbers.binary_search(fold).unwrap_or_default();
            parts[at % count].push(row);
        }
        Ok(splits(&parts, rows))
    }
}

#[cfg(test)]
mod tests {
    use medley_core::{ImageShape, Modality, Origin, TaskKind};

    use super::*;

    #[test]
    fn folds_of_training_are_kept_whole() {
        let spec = TaskSpec {
            name: "t".into(),
            title: "T".into(),
            kind: TaskKind::Binary,
            modality: Modality::Other,
            classes: vec!["0".into(), "1".into()],
            shape: ImageShape::flat(1, 1, 1),
            origin: Origin::User,
        };
        let labels = Labels::single(vec![0; 6]).unwrap();
        let rows = Rows::new(&spec, &labels);
        let own = |folds: &[usize], parts: usize| -> Result<Vec<Vec<usize>>, DecisionError> {
            let options = FitOptions { folds: parts, ..FitOptions::default() };
            Ok(rows.in_folds(folds).splits(&options)?.into_iter().map(|(_, own)| own).collect())
        };
        assert_eq!(own(&[2, 0, 7, 0, 2, 7], 5).unwrap(), [vec![1, 3], vec![0, 4], vec![2, 5]]);
        assert_eq!(own(&[2, 0, 7, 0, 2, 7], 2).unwrap(), [vec![1, 2, 3, 5], vec![0, 4]]);
        assert!(matches!(own(&[1; 6], 5), Err(DecisionError::Folds { folds: 1, .. })));
        assert!(matches!(own(&[0, 1], 5), Err(DecisionError::Folds { found: 2, rows: 6, .. })));
        assert_eq!(rows.splits(&FitOptions::default()).unwrap().len(), 5);
    }
}
