//! Scores: what a model says of each image.

use ndarray::{Array2, ArrayView1, ArrayView2};

use crate::CoreError;

/// Scores `[N, C]` f64, row by row in the order of the split: class probabilities, or one probability per label.
/// Every value is finite; that rows sum to one is not required, as in the official evaluator.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    values: Array2<f64>,
}

impl Scores {
    /// Takes `rows * columns` values in row-major order.
    ///
    /// # Errors
    /// [`CoreError::Matrix`] if the numbers do not multiply or `columns` is 0, [`CoreError::NotFinite`] on NaN or infinity.
    pub fn new(values: Vec<f64>, rows: usize, columns: usize) -> Result<Self, CoreError> {
        let given = values.len();
        let misfit = CoreError::Matrix { what: "scores", values: given, rows, columns };
        if columns == 0 || rows.checked_mul(columns) != Some(given) {
            return Err(misfit);
        }
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            return Err(CoreError::NotFinite { row: at / columns, column: at % columns, value: values[at] });
        }
        let values = Array2::from_shape_vec((rows, columns), values).map_err(|_| misfit)?;
        Ok(Self { values })
    }

    /// Number of rows, one per image.
    pub fn rows(&self) -> usize {
        self.values.nrows()
    }

    /// Number of columns, one per class or label.
    pub fn columns(&self) -> usize {
        self.values.ncols()
    }

    /// The matrix.
    pub fn view(&self) -> ArrayView2<'_, f64> {
        self.values.view()
    }

    /// One row.
    ///
    /// # Panics
    /// If `index >= rows()`.
    pub fn row(&self, index: usize) -> ArrayView1<'_, f64> {
        self.values.row(index)
    }

    /// The column with the largest value in each row; the first of equals, as `numpy.argmax`.
    pub fn argmax(&self) -> Vec<u16> {
        self.values
            .rows()
            .into_iter()
            .map(|row| {
                let mut best = 0;
                for (index, &value) in row.iter().enumerate() {
                    if value > row[best] {
                        best = index;
                    }
                }
                best as u16
            })
            .collect()
    }

    /// The mean of several score matrices of the same shape: an ensemble. `None` when there are none, or shapes differ.
    pub fn mean(all: &[Self]) -> Option<Self> {
        let first = all.first()?;
        let mut sum = first.values.clone();
        for other in &all[1..] {
            if other.values.dim() != sum.dim() {
                return None;
            }
            sum += &other.values;
        }
        Some(Self { values: sum / all.len() as f64 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn argmax_takes_the_first_of_equals() {
        let scores = Scores::new(vec![0.5, 0.5, 0.1, 0.9], 2, 2).unwrap();
        assert_eq!(scores.argmax(), vec![0, 1]);
    }

    #[test]
    fn bad_values_are_named() {
        let error = Scores::new(vec![0.0, 1.0, f64::NAN, 0.0], 2, 2).unwrap_err();
        assert_eq!(error.to_string(), "score in row 1, column 0 is NaN, not a finite number");
        assert!(Scores::new(vec![0.0; 3], 2, 2).is_err());
    }

    #[test]
    fn ensemble_is_the_mean() {
        let a = Scores::new(vec![0.0, 1.0], 1, 2).unwrap();
        let b = Scores::new(vec![1.0, 0.0], 1, 2).unwrap();
        assert_eq!(Scores::mean(&[a.clone(), b]).unwrap().view()[(0, 0)], 0.5);
        assert!(Scores::mean(&[a, Scores::new(vec![1.0], 1, 1).unwrap()]).is_none());
        assert!(Scores::mean(&[]).is_none());
    }
}
