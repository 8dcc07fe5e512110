//! From values to pixels, and round numbers for the axes.

/// A linear map from a domain of values to a range of pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    domain: (f64, f64),
    range: (f64, f64),
}

impl Scale {
    /// Maps `domain` to `range`. A domain without width is widened around its value; one that is not finite becomes 0-1.
    pub fn new(domain: (f64, f64), range: (f64, f64)) -> Self {
        let (low, high) = (domain.0.min(domain.1), domain.0.max(domain.1));
        let domain = if !(low.is_finite() && high.is_finite() && (high - low).is_finite()) {
            (0.0, 1.0)
        } else if high - low <= low.abs().max(high.abs()) * 1e-9 {
            let half = if low == 0.0 { 0.5 } else { low.abs() * 0.05 };
            (low - half, high + half)
        } else {
            (low, high)
        };
        Self { domain, range }
    }

    /// A scale that holds all finite values, with a margin on both sides (a share of their extent).
    pub fn around(values: impl IntoIterator<Item = f64>, margin: f64, range: (f64, f64)) -> Self {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.into_iter().filter(|value| value.is_finite()) {
            (low, high) = (low.min(value), high.max(value));
        }
        let extent = high - low;
        Self::new((low - extent * margin, high + extent * margin), range)
    }

    /// The same with the domain cut to `bounds`.
    #[must_use]
    pub fn within(self, bounds: (f64, f64)) -> Self {
        Self::new((self.domain.0.max(bounds.0), self.domain.1.min(bounds.1)), self.range)
    }

    /// The pixel of a value, no further out than the range.
    pub fn at(&self, value: f64) -> f64 {
        let share = ((value - self.domain.0) / (self.domain.1 - self.domain.0)).clamp(0.0, 1.0);
        self.range.0 + share * (self.range.1 - self.range.0)
    }

    /// The values at its ends, the smaller first.
    pub fn domain(&self) -> (f64, f64) {
        self.domain
    }

    /// Round numbers along it with their labels, about `target` of them.
    pub fn ticks(&self, target: usize) -> Vec<(f64, String)> {
        ticks(self.domain, target)
    }
}

/// Multiples of 1, 2 or 5 times a power of ten inside a domain, with labels that have as many decimals as their step needs.
/// At least two and at most `2.5 * target + 1` for any domain of positive width that doubles can resolve.
pub fn ticks(domain: (f64, f64), target: usize) -> Vec<(f64, String)> {
    let (low, high) = domain;
    let extent = high - low;
    if !(extent.is_finite() && extent > 0.0) || extent < low.abs().max(high.abs()) * 1e-9 {
        return Vec::new();
    }
    let rough = extent / target.max(2) as f64;
    let power = rough.log10().floor();
    let mut chosen = Vec::new();
    // From coarse to fine: the first step with enough ticks.
    for factor in [10.0, 5.0, 2.0, 1.0, 0.5, 0.2] {
        let step = factor * 10_f64.powf(power);
        chosen = multiples(low, high, step, decimals(step));
        if chosen.len() >= target.max(2) {
            break;
        }
    }
    chosen
}

fn multiples(low: f64, high: f64, step: f64, decimals: usize) -> Vec<(f64, String)> {
    let slack = step * 1e-9;
    let first = ((low - slack) / step).ceil() as i64;
    let last = ((high + slack) / step).floor() as i64;
    (first..=last)
        .map(|number| {
            let value = (number as f64 * step).clamp(low, high);
            (value, label(value, step, decimals))
        })
        .collect()
}

/// Decimals that tell multiples of `step` apart.
fn decimals(step: f64) -> usize {
    (-step.log10() - 1e-9).ceil().clamp(0.0, 12.0) as usize
}

fn label(value: f64, step: f64, decimals: usize) -> String {
    if value.abs() < step * 1e-6 {
        return "0".to_owned();
    }
    if decimals > 4 || value.abs() >= 1e6 { format!("{value:e}") } else { format!("{value:.decimals$}") }
        .replace('-', "−")
        .replace("e−", "e-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn labels(domain: (f64, f64), target: usize) -> Vec<String> {
        ticks(domain, target).into_iter().map(|tick| tick.1).collect()
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(labels((0.0, 1.0), 5), ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels((0.83, 0.97), 3), ["0.85", "0.90", "0.95"]);
        assert_eq!(labels((1.0, 20.0), 4), ["5", "10", "15", "20"]);
        assert_eq!(labels((-0.02, 0.02), 3), ["−0.02", "0", "0.02"]);
        assert!(labels((1.0, 1.0), 4).is_empty());
        assert!(labels((f64::NAN, 1.0), 4).is_empty());
    }

    #[test]
    fn degenerate_domains_still_map() {
        let flat = Scale::new((0.5, 0.5), (0.0, 100.0));
        assert_eq!(flat.at(0.5), 50.0);
        assert_eq!(Scale::around([f64::NAN], 0.1, (0.0, 1.0)).domain(), (0.0, 1.0));
        assert_eq!(Scale::new((f64::MIN, f64::MAX), (0.0, 1.0)).domain(), (0.0, 1.0));
    }

    proptest! {
        #[test]
        fn ticks_lie_inside_evenly_and_are_told_apart(low in -1e4_f64..1e4, extent in 1e-3_f64..1e5, target in 2_usize..9) {
            let ticks = ticks((low, low + extent), target);
            prop_assert!(ticks.len() >= 2, "{} ticks", ticks.len());
            prop_assert!(2 * ticks.len() <= 5 * target + 2, "{} ticks", ticks.len());
            prop_assert!(ticks.iter().all(|tick| tick.0 >= low && tick.0 <= low + extent));
            let step = ticks[1].0 - ticks[0].0;
            for pair in ticks.windows(2) {
                prop_assert!(pair[0].0 < pair[1].0);
                prop_assert!((pair[1].0 - pair[0].0 - step).abs() < step * 1e-3);
                prop_assert_ne!(&pair[0].1, &pair[1].1);
            }
            for (value, label) in &ticks {
                let read: f64 = label.replace('−', "-").parse().unwrap();
                prop_assert!((read - value).abs() <= step * 0.01, "{label} for {value}");
            }
        }

        #[test]
        fn scales_are_monotone_and_stay_in_range(a in any::<f64>(), b in any::<f64>(), x in any::<f64>(), y in any::<f64>()) {
            let scale = Scale::new((a, b), (10.0, 110.0));
            prop_assume!(!x.is_nan() && !y.is_nan());
            prop_assert!((10.0..=110.0).contains(&scale.at(x)));
            if x <= y {
                prop_assert!(scale.at(x) <= scale.at(y));
            }
            prop_assert!(scale.domain().0 < scale.domain().1);
        }
    }
}
