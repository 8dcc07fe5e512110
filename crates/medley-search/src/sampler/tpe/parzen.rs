use libm::{exp, log, pow};
use rand::{Rng, RngExt as _};

use super::MOST_GOOD;
use crate::Domain;
use crate::sampler::normal::{LOG_SQRT_TAU, between, draw_in_unit};

/// A kernel density on the keys of a group: a mixture of one kernel per trial and the prior, each a product over the keys of normal
/// distributions cut to [0, 1), or of shares of choices. The width of all kernels is that of Scott's rule, as Optuna's.
pub(super) struct Parzen<'a> {
    /// Of kernels, cumulated; the last is 1.
    cumulated: Vec<f64>,
    log_weights: Vec<f64>,
    factors: Vec<Factor<'a>>,
}

/// One key of all kernels.
enum Factor<'a> {
    Number {
        domain: &'a Domain,
        means: Vec<f64>,
        deviations: Vec<f64>,
        /// The logarithm of what is left of the kernel within [0, 1), with that of the normalisation of a density.
        log_norms: Vec<f64>,
    },
    Choice {
        domain: &'a Domain,
        /// Of each choice, per kernel.
        shares: Vec<Vec<f64>>,
    },
}

impl<'a> Parzen<'a> {
    /// Of trials from the oldest to the newest.
    pub(super) fn new(domains: &[&'a Domain], places: Vec<Vec<f64>>, prior_weight: f64) -> Self {
        let count = places.len();
        let mut weights = weights(count);
        weights.push(prior_weight);
        let sum: f64 = weights.iter().sum();
        let mut cumulated: Vec<f64> = weights
            .iter()
            .scan(0.0, |so_far, weight| {
                *so_far += weight / sum;
                Some(*so_far)
            })
            .collect();
        cumulated[count] = 1.0;
        let log_weights = weights.iter().map(|weight| log(weight / sum)).collect();
        let scott = 0.2 * pow(count.max(1) as f64, -1.0 / (domains.len() as f64 + 4.0));
        let least = 1.0 / (count as f64 + 2.0).min(100.0);
        let factor = |(at, domain): (usize, &&'a Domain)| {
            if let Domain::Choice(values) = domain {
                let base = prior_weight / (count as f64 + 1.0);
                let mut shares = vec![vec![base; values.len()]; count + 1];
                for (share, place) in shares.iter_mut().zip(&places) {
                    share[domain.cell(place[at]).unwrap_or(0)] += 1.0;
                }
                for share in &mut shares {
                    let sum: f64 = share.iter().sum();
                    for part in share {
                        *part /= sum;
                    }
                }
                return Factor::Choice { domain, shares };
            }
            let means: Vec<f64> = places.iter().map(|place| place[at]).chain([0.5]).collect();
            let mut deviations = vec![scott.clamp(least, 1.0); count];
            deviations.push(1.0);
            let is_counted = domain.count().is_some();
            let log_norm = |(mean, deviation): (&f64, &f64)| {
                let within = log(between(-mean / deviation, (1.0 - mean) / deviation));
                if is_counted { within } else { within + log(*deviation) + LOG_SQRT_TAU }
            };
            let log_norms = means.iter().zip(&deviations).map(log_norm).collect();
            Factor::Number { domain, means, deviations, log_norms }
        };
        let factors = domains.iter().enumerate().map(factor).collect();
        Self { cumulated, log_weights, factors }
    }

    /// A place; that of a counted value is the middle of its cell.
    pub(super) fn draw(&self, rng: &mut impl Rng) -> Vec<f64> {
        let at: f64 = rng.random();
        let kernel = self.cumulated.partition_point(|&share| share <= at).min(self.cumulated.len() - 1);
        let middle = |domain: &Domain, cell: usize| {
            let (from, to) = domain.bounds(cell);
            f64::midpoint(from, to)
        };
        let place = |factor: &Factor<'_>| match factor {
            Factor::Number { domain, means, deviations, .. } => {
                let drawn = draw_in_unit(rng, means[kernel], deviations[kernel]);
                domain.cell(drawn).map_or(drawn, |cell| middle(domain, cell))
            }
            Factor::Choice { domain, shares } => {
                let mut left: f64 = rng.random();
                let passes = |share: &f64| {
                    left -= share;
                    left < 0.0
                };
                let cell = shares[kernel].iter().position(passes).unwrap_or(shares[kernel].len() - 1);
                middle(domain, cell)
            }
        };
        self.factors.iter().map(place).collect()
    }

    /// The logarithm of the density at a place, of counted values of the probability.
    pub(super) fn log_density(&self, place: &[f64]) -> f64 {
        let mut logs = self.log_weights.clone();
        for (factor, &at) in self.factors.iter().zip(place) {
            match factor {
                Factor::Number { domain, means, deviations, log_norms } => {
                    let kernels = logs.iter_mut().zip(means).zip(deviations).zip(log_norms);
                    match domain.cell(at).map(|cell| domain.bounds(cell)) {
                        None => kernels.for_each(|(((log, mean), deviation), norm)| {
                            let z = (at - mean) / deviation;
                            *log += -0.5 * z * z - norm;
                        }),
                        Some((from, to)) => kernels.for_each(|(((sum, mean), deviation), norm)| {
                            let share = between((from - mean) / deviation, (to - mean) / deviation);
                            *sum += log(share.max(f64::MIN_POSITIVE)) - norm;
                        }),
                    }
                }
                Factor::Choice { domain, shares } => {
                    let cell = domain.cell(at).unwrap_or(0);
                    logs.iter_mut().zip(shares).for_each(|(sum, share)| *sum += log(share[cell]));
                }
            }
        }
        let greatest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        greatest + log(logs.iter().map(|sum| exp(sum - greatest)).sum())
    }
}

/// The newest have weight 1, older ones less and less.
fn weights(count: usize) -> Vec<f64> {
    let older = count.saturating_sub(MOST_GOOD);
    let lowest = 1.0 / count.max(1) as f64;
    let ramp = |at: usize| if older < 2 { lowest } else { lowest + (1.0 - lowest) * at as f64 / (older - 1) as f64 };
    (0..count).map(|at| if at < older { ramp(at) } else { 1.0 }).collect()
}

#[cfg(test)]
mod tests {
    use medley_core::seed::{Purpose, stream};
    use toml::Value;

    use super::*;

    #[test]
    fn weights_are_those_of_optuna() {
        assert_eq!(weights(3), [1.0; 3]);
        let many = weights(29);
        assert!((many[0] - 1.0 / 29.0).abs() < 1e-12 && (many[3] - 1.0).abs() < 1e-12 && many[4..] == [1.0; 25]);
    }

    /// The density of every group sums to one.
    #[test]
    fn it_is_a_density() {
        let (real, choice) = (
            Domain::Real { low: 0.0, high: 1.0, log: false },
            Domain::Choice(vec![Value::Integer(1), Value::Integer(2)]),
        );
        let steps = Domain::LogInteger { low: 1, high: 9 };
        let domains = [&real, &choice, &steps];
        let parzen = Parzen::new(&domains, vec![vec![0.2, 0.25, 0.1], vec![0.99, 0.75, 0.8]], 1.0);
        let mut sum = 0.0;
        for at in 0..400 {
            for choice in [0.25, 0.75] {
                for cell in 0..9 {
                    let (from, to) = steps.bounds(cell);
                    let place = [(f64::from(at) + 0.5) / 400.0, choice, f64::midpoint(from, to)];
                    sum += exp(parzen.log_density(&place)) / 400.0;
                }
            }
        }
        assert!((sum - 1.0).abs() < 1e-4, "{sum}");
        let mut rng = stream(1, Purpose::Search, &[]);
        let drawn: Vec<_> = (0..2000).map(|_| parzen.draw(&mut rng)).collect();
        let near = drawn.iter().filter(|place| place[0] > 0.5 && place[1] > 0.5).count();
        assert!((500..1300).contains(&near), "{near}");
    }
}
