//! Mean and spread of a few numbers, such as the scores of seeds, with one definition for every crate.
//!
//! ```
//! use medley_core::statistics::{mean, standard_deviation};
//!
//! assert_eq!(mean(&[0.5, 1.0]), 0.75);
//! assert_eq!(standard_deviation(&[1.0, 3.0]), Some(2.0_f64.sqrt()));
//! assert_eq!(standard_deviation(&[1.0]), None);
//! ```

/// Arithmetic mean, summed in the order given; not a number of none.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Standard deviation of a sample, with n - 1 in the denominator; `None` of fewer than two values.
pub fn standard_deviation(values: &[f64]) -> Option<f64> {
    let mean = mean(values);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (values.len() > 1).then(|| (squares / (values.len() - 1) as f64).sqrt())
}
