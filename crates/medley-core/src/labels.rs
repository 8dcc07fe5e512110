//! Labels: class indices, or rows of yes/no.

use serde::{Deserialize, Serialize};

use crate::CoreError;

/// Labels `[N, L]` u16: `L` = 1 holds class indices, larger `L` holds 0/1 per label of a multi-label task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Labels {
    rows: usize,
    width: usize,
    values: Vec<u16>,
}

impl Labels {
    /// One class index per row.
    ///
    /// # Errors
    /// Never at present; the signature matches [`Self::multi`].
    pub fn single(values: Vec<u16>) -> Result<Self, CoreError> {
        let rows = values.len();
        Self::multi(values, rows, 1)
    }

    /// `rows` rows of `width` values in row-major order.
    ///
    /// # Errors
    /// [`CoreError::Matrix`] if the numbers do not multiply.
    pub fn multi(values: Vec<u16>, rows: usize, width: usize) -> Result<Self, CoreError> {
        if width == 0 || rows.checked_mul(width) != Some(values.len()) {
            return Err(CoreError::Matrix { what: "labels", values: values.len(), rows, columns: width });
        }
        Ok(Self { rows, width, values })
    }

    /// Number of rows, one per image.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// All values in row-major order.
    pub fn values(&self) -> &[u16] {
        &self.values
    }

    /// One row.
    ///
    /// # Panics
    /// If `index >= rows()`.
    pub fn row(&self, index: usize) -> &[u16] {
        &self.values[index * self.width..(index + 1) * self.width]
    }

    /// How often each class occurs; for multi-label tasks, how often each label is set. Values outside
    /// `0..classes` are not counted.
    pub fn class_counts(&self, classes: usize) -> Vec<usize> {
        let mut counts = vec![0; classes];
        for row in self.values.chunks_exact(self.width) {
            if self.width == 1 {
                if let Some(count) = counts.get_mut(usize::from(row[0])) {
                    *count += 1;
                }
            } else {
                for (count, &set) in counts.iter_mut().zip(row) {
                    *count += usize::from(set != 0);
                }
            }
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_classes_and_labels() {
        assert_eq!(Labels::single(vec![0, 2, 2, 9]).unwrap().class_counts(3), vec![1, 0, 2]);
        assert_eq!(Labels::multi(vec![1, 0, 1, 1], 2, 2).unwrap().class_counts(2), vec![2, 1]);
    }

    #[test]
    fn wrong_products_are_refused() {
        assert!(Labels::multi(vec![0; 5], 2, 3).is_err());
        assert!(Labels::multi(vec![], 0, 0).is_err());
        assert!(Labels::single(vec![]).is_ok());
    }
}
