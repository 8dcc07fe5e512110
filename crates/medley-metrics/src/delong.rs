//! `DeLong`'s test: variance of an AUC, and of the difference of two on the same rows, without resampling.
//!
//! `DeLong`, `DeLong` and Clarke-Pearson, 1988, with the midranks of Sun and Xu, 2014, O(n log n). The AUC of a binary task is
//! exactly theirs. A mean of one-vs-rest AUCs is a sum of such statistics over the same rows, and its variance follows from the
//! same components: each row has one share in the mean, the variance is that of the shares, within each class (binary, multi-class,
//! ordinal) or over all rows (multi-label).
//!
//! Of a sample whose rows belong together ([`Sample::set_groups`]), the shares of a group are summed first, and what groups have in two classes
//! may go together: the variance of Obuchowski, 1997 (*Nonparametric analysis of clustered ROC curve data*), which is `DeLong`'s where each
//! group is a row.

use medley_core::TaskKind;
use medley_core::record::Interval;
use serde::Serialize;

use crate::MetricError;
use crate::distributions::{normal_cdf, normal_quantile};
use crate::sample::{RankOrder, Sample};

/// The AUC of a sample with its standard error.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct AucVariance {
    /// The official AUC.
    pub auc: f64,
    /// Its standard error.
    pub standard_error: f64,
}

impl AucVariance {
    /// The normal interval, cut at 0 and 1.
    pub fn interval(&self, confidence: f64) -> Interval {
        let width = normal_quantile(0.5 + confidence / 2.0) * self.standard_error;
        Interval { low: (self.auc - width).max(0.0), high: (self.auc + width).min(1.0) }
    }
}

/// The difference of two AUCs on the same rows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct AucDifference {
    /// The first less the second.
    pub difference: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// Two-sided; 1 where both are equal on every row.
    pub p: f64,
}

impl AucDifference {
    /// The normal interval of the same standard error as the test: it excludes 0 exactly where `p` is below `1 - confidence`.
    pub fn interval(&self, confidence: f64) -> Interval {
        let width = normal_quantile(0.5 + confidence / 2.0) * self.standard_error;
        Interval { low: (self.difference - width).max(-1.0), high: (self.difference + width).min(1.0) }
    }
}

/// Standard error of the official AUC. `None` without scores, where the AUC is not defined, and where a class has a single row, or group.
pub fn auc_variance(sample: &Sample) -> Option<AucVariance> {
    let shares = Shares::of(sample)?;
    Some(AucVariance { auc: shares.auc, standard_error: variance_of_sum(sample, &shares.by_row)?.sqrt() })
}

/// Standard errors up to this are 0, but for rounding.
const LEAST_ERROR: f64 = 1e-12;

/// Tests whether two predictors have the same official AUC. `None` as for [`auc_variance`], and where they differ and no row varies, as
/// of one that ranks perfectly and one that ranks nothing.
///
/// # Errors
/// [`MetricError::NotPaired`].
pub fn auc_difference(a: &Sample, b: &Sample) -> Result<Option<AucDifference>, MetricError> {
    a.check_pair(b)?;
    let (Some(one), Some(two)) = (Shares::of(a), Shares::of(b)) else { return Ok(None) };
    let by_row: Vec<f64> = one.by_row.iter().zip(&two.by_row).map(|(a, b)| a - b).collect();
    let Some(variance) = variance_of_sum(a, &by_row) else { return Ok(None) };
    let (difference, standard_error) = (one.auc - two.auc, variance.sqrt());
    // Without variance the test would be certain, of however few rows.
    if difference != 0.0 && standard_error <= LEAST_ERROR {
        return Ok(None);
    }
    let p = if difference == 0.0 { 1.0 } else { 2.0 * normal_cdf(-(difference / standard_error).abs()) };
    Ok(Some(AucDifference { difference, standard_error, p }))
}

/// What each row contributes to the AUC, such that the variance of the AUC is that of the sum of the contributions.
struct Shares {
    auc: f64,
    by_row: Vec<f64>,
}

impl Shares {
    fn of(sample: &Sample) -> Option<Self> {
        let columns = sample.ranked_columns();
        let mut shares = Self { auc: 0.0, by_row: vec![0.0; sample.rows()] };
        for &(column, class) in &columns {
            shares.add(sample.order(column, class), columns.len() as f64)?;
        }
        (!columns.is_empty()).then_some(shares)
    }

    /// Adds the structural components of one AUC: of a positive the share of negatives below it, of a negative the share of
    /// positives above it, each over the number of its kind.
    fn add(&mut self, order: &RankOrder, columns: f64) -> Option<()> {
        let positives = order.ascending().filter(|entry| entry.positive).count() as f64;
        let negatives = self.by_row.len() as f64 - positives;
        if positives == 0.0 || negatives == 0.0 {
            return None;
        }
        let entries: Vec<_> = order.ascending().collect();
        let (mut positives_below, mut negatives_below) = (0.0, 0.0);
        for tie in entries.chunk_by(|entry, _| !entry.ends_tie) {
            let here = tie.iter().filter(|entry| entry.positive).count() as f64;
            let others = tie.len() as f64 - here;
            for entry in tie {
                let component = if entry.positive {
                    (negatives_below + 0.5 * others) / negatives
                } else {
                    (positives - positives_below - 0.5 * here) / positives
                };
                let kind = if entry.positive { positives } else { negatives };
                self.by_row[entry.row] += component / (kind * columns);
                if entry.positive {
                    self.auc += component / (positives * columns);
                }
            }
            positives_below += here;
            negatives_below += others;
        }
        Some(())
    }
}

/// The variance of the sum of contributions, which are independent but for rows of one group, estimated within each stratum of rows.
fn variance_of_sum(sample: &Sample, by_row: &[f64]) -> Option<f64> {
    let strata = sample.strata();
    if sample.kind() != TaskKind::MultiLabel && strata.len() < 2 {
        return None;
    }
    let groups = sample.groups();
    let number_of = |row: u32| groups.as_ref().map_or(row, |groups| groups.of_rows[row as usize]) as usize;
    let count = groups.as_ref().map_or(by_row.len(), |groups| groups.count);
    let unbiased = |groups: usize| groups as f64 / (groups as f64 - 1.0);
    let mut sums = vec![0.0; count];
    let (mut variance, mut squares_within) = (0.0, 0.0);
    for rows in strata {
        let mean = rows.iter().map(|&row| by_row[row as usize]).sum::<f64>() / rows.len() as f64;
        let mut within = vec![None; count];
        for &row in &rows {
            *within[number_of(row)].get_or_insert(0.0) += by_row[row as usize] - mean;
        }
        let found = within.iter().flatten().count();
        if found < 2 {
            return None;
        }
        let squares: f64 = within.iter().flatten().map(|sum| sum * sum).sum();
        variance += unbiased(found) * squares;
        squares_within += squares;
        sums.iter_mut().zip(within).for_each(|(sum, within)| *sum += within.unwrap_or(0.0));
    }
    if groups.is_some() {
        // What is left of the squares are products of a group's sums in two strata.
        let squares: f64 = sums.iter().map(|sum| sum * sum).sum();
        variance += unbiased(count) * (squares - squares_within);
    }
    // Of few groups that go against each other in two classes, the estimate can fall below zero.
    (variance >= 0.0).then_some(variance)
}
