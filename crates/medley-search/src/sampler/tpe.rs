//! The tree-structured Parzen estimator.
//!
//! Trials are split into the better tenth and the others; a kernel density is estimated of each, candidates are drawn from that of
//! the better ones, and the candidate is taken whose ratio of the two densities is greatest (Bergstra et al., *Algorithms for
//! Hyper-Parameter Optimization*, 2011). Details are those of Optuna 4 with `multivariate=True`, `group=True` and
//! `constant_liar=True`: kernels over all keys of a group at once, where the keys of a group are those with the same condition;
//! running trials count as bad ones, so that workers keep apart; a prior kernel; widths that are at least a share of the range that
//! goes down with the number of trials ("magic clip"). The first trials are a Sobol sequence, where Optuna draws at random.

mod parzen;

use medley_core::seed::{Purpose, stream};

use super::{Ask, Observation, Outcome, Sampler, Sobol};
use crate::Point;
use parzen::Parzen;

medley_core::keys! {
    /// Multivariate tree-structured Parzen estimator: densities of the better tenth of trials and of the others, and the point that is
    /// the likeliest to be of the former.
    pub struct Tpe {
        /// Trials of a Sobol sequence before it begins.
        startup: usize = 10, in 1..=1000;
        /// Candidates of which the best is taken.
        candidates: usize = 24, in 1..=10_000;
        /// Weight of the prior, a kernel that covers the whole range; a trial has 1.
        prior_weight: f64 = 1.0, in 0.001..=1000.0;
    }
}

/// Most trials that count as good, and the most recent ones that have full weight among the others (Optuna's `default_gamma` and
/// `default_weights`).
const MOST_GOOD: usize = 25;

impl Sampler for Tpe {
    fn propose(&self, ask: &Ask<'_>) -> Option<Point> {
        let measured = |seen: &&Observation| matches!(seen.outcome, Outcome::Finished(_) | Outcome::Stopped { .. });
        if ask.seen.iter().filter(measured).count() < self.startup {
            return Sobol {}.propose(ask);
        }
        let (good, bad) = split(ask);
        let dimensions = ask.space.dimensions();
        // What is not there is 0, which no one looks at.
        let mut cube = vec![0.0; dimensions.len()];
        for (turn, group) in groups(ask).iter().enumerate() {
            if !ask.space.active(&cube)[group[0]] {
                continue;
            }
            let domains: Vec<_> = group.iter().map(|&at| &dimensions[at].domain).collect();
            let density = |seen: &[&Observation]| {
                let places = seen.iter().filter_map(|seen| group.iter().map(|&at| seen.cube[at]).collect());
                Parzen::new(&domains, places.collect(), self.prior_weight)
            };
            let (of_good, of_bad) = (density(&good), density(&bad));
            let mut rng = stream(ask.seed, Purpose::Search, &[ask.number, 1 + turn as u64]);
            let mut best: Option<(f64, Vec<f64>)> = None;
            for _ in 0..self.candidates {
                let candidate = of_good.draw(&mut rng);
                let ratio = of_good.log_density(&candidate) - of_bad.log_density(&candidate);
                if best.as_ref().is_none_or(|(greatest, _)| ratio > *greatest) {
                    best = Some((ratio, candidate));
                }
            }
            for (&at, place) in group.iter().zip(best.map(|(_, candidate)| candidate).unwrap_or_default()) {
                cube[at] = place;
            }
        }
        Some(ask.space.decode(&cube))
    }
}

/// Dimensions with the same condition, in order.
fn groups(ask: &Ask<'_>) -> Vec<Vec<usize>> {
    let dimensions = ask.space.dimensions();
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (at, dimension) in dimensions.iter().enumerate() {
        match groups.iter_mut().find(|group| dimensions[group[0]].when == dimension.when) {
            Some(group) => group.push(at),
            None => groups.push(vec![at]),
        }
    }
    groups
}

/// Good trials and others, each by number. Stopped trials come after finished ones, those of a higher rung first; then failed ones.
fn split<'a>(ask: &Ask<'a>) -> (Vec<&'a Observation>, Vec<&'a Observation>) {
    // Finished before stopped before failed, by rung downwards, by loss.
    let rank = |seen: &Observation| match seen.outcome {
        Outcome::Finished(value) => Some((0, 0, ask.direction.loss(value))),
        Outcome::Stopped { rung, value } => Some((1, u64::MAX - rung, ask.direction.loss(value))),
        Outcome::Failed => Some((2, 0, 0.0)),
        Outcome::Running => None,
    };
    let mut ended: Vec<_> = ask.seen.iter().filter_map(|seen| rank(seen).map(|rank| (rank, seen))).collect();
    ended.sort_by(|(a, first), (b, second)| {
        (a.0, a.1).cmp(&(b.0, b.1)).then(a.2.total_cmp(&b.2)).then(first.number.cmp(&second.number))
    });
    let count = ended.len().div_ceil(10).min(MOST_GOOD);
    let good = ended.iter().take(count).map(|(_, seen)| *seen);
    let running = ask.seen.iter().filter(|seen| seen.outcome == Outcome::Running);
    let bad = ended.iter().skip(count).map(|(_, seen)| *seen).chain(running);
    let by_number = |mut trials: Vec<&'a Observation>| {
        trials.sort_by_key(|seen| seen.number);
        trials
    };
    (by_number(good.collect()), by_number(bad.collect()))
}
