//! Triangular matrices, row by row: row i has i + 1 entries.

use libm::sqrt;

/// A lower triangular matrix, or half of a symmetric one.
#[derive(Debug, Clone)]
pub(super) struct Triangle {
    pub(super) size: usize,
    pub(super) entries: Vec<f64>,
}

impl Triangle {
    pub(super) fn zeros(size: usize) -> Self {
        Self { size, entries: vec![0.0; size * (size + 1) / 2] }
    }

    pub(super) fn row(&self, row: usize) -> &[f64] {
        let start = row * (row + 1) / 2;
        &self.entries[start..=start + row]
    }

    /// The Cholesky factor of a symmetric matrix; `None` where it is not positive definite.
    pub(super) fn cholesky(&self) -> Option<Self> {
        let mut factor = Self::zeros(self.size);
        for row in 0..self.size {
            let start = row * (row + 1) / 2;
            let (done, rest) = factor.entries.split_at_mut(start);
            let current = &mut rest[..=row];
            for column in 0..row {
                let above = column * (column + 1) / 2;
                let other = &done[above..=above + column];
                let sum = self.entries[start + column] - dot(&current[..column], &other[..column]);
                current[column] = sum / other[column];
            }
            let left = self.entries[start + row] - dot(&current[..row], &current[..row]);
            current[row] = Some(sqrt(left)).filter(|root| *root > 0.0 && root.is_finite())?;
        }
        Some(factor)
    }

    /// The inverse of a lower triangular matrix.
    pub(super) fn inverse(&self) -> Self {
        // Row i of the inverse is a combination of the rows above it, so that memory is read in order.
        let mut inverse = Self::zeros(self.size);
        for row in 0..self.size {
            let start = row * (row + 1) / 2;
            let (done, rest) = inverse.entries.split_at_mut(start);
            let current = &mut rest[..=row];
            let factors = self.row(row);
            let scale = 1.0 / factors[row];
            for (above, factor) in factors[..row].iter().enumerate() {
                let from = above * (above + 1) / 2;
                for (entry, other) in current.iter_mut().zip(&done[from..=from + above]) {
                    *entry -= factor * other;
                }
            }
            for entry in &mut *current {
                *entry *= scale;
            }
            current[row] = scale;
        }
        inverse
    }

    /// The lower half of M'M.
    pub(super) fn gram(&self) -> Self {
        let mut gram = Self::zeros(self.size);
        for row in 0..self.size {
            let values = self.row(row);
            let mut start = 0;
            for (column, value) in values.iter().enumerate() {
                for (entry, other) in gram.entries[start..=start + column].iter_mut().zip(values) {
                    *entry += value * other;
                }
                start += column + 1;
            }
        }
        gram
    }

    /// M x.
    pub(super) fn times(&self, vector: &[f64]) -> Vec<f64> {
        (0..self.size).map(|row| dot(self.row(row), &vector[..=row])).collect()
    }

    /// M'x.
    pub(super) fn transposed_times(&self, vector: &[f64]) -> Vec<f64> {
        let mut product = vec![0.0; self.size];
        for (row, factor) in vector.iter().enumerate() {
            product.iter_mut().zip(self.row(row)).for_each(|(entry, value)| *entry += factor * value);
        }
        product
    }
}

/// In four sums, which the compiler computes at once, always in the same order.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 4];
    let (left, right) = (a.chunks_exact(4), b.chunks_exact(4));
    let rest: f64 = left.remainder().iter().zip(right.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in left.zip(right) {
        for lane in 0..4 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums[0] + sums[1] + (sums[2] + sums[3]) + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inverse_of_the_factor_gives_the_inverse() {
        let size = 23;
        let mut matrix = Triangle::zeros(size);
        for row in 0..size {
            for column in 0..=row {
                let distance = (row - column) as f64;
                matrix.entries[row * (row + 1) / 2 + column] =
                    libm::exp(-distance) + if distance == 0.0 { 0.1 } else { 0.0 };
            }
        }
        let at = |m: &Triangle, i: usize, j: usize| m.row(i.max(j))[i.min(j)];
        let factor = matrix.cholesky().unwrap();
        let inverse = factor.inverse().gram();
        for i in 0..size {
            for j in 0..size {
                let sum: f64 = (0..size).map(|k| at(&matrix, i, k) * at(&inverse, k, j)).sum();
                assert!((sum - f64::from(u8::from(i == j))).abs() < 1e-10, "{i} {j} {sum}");
            }
        }
        let vector: Vec<f64> = (0..size).map(|i| i as f64).collect();
        let back = factor.inverse().times(&factor.times(&vector));
        assert!(back.iter().zip(&vector).all(|(a, b)| (a - b).abs() < 1e-9));
        matrix.entries[0] = -1.0;
        assert!(matrix.cholesky().is_none());
    }
}
