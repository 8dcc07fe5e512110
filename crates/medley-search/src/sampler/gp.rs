//! A Gaussian process with expected improvement.
//!
//! The losses, scaled to mean 0 and deviation 1, are taken for a draw from a Gaussian process with a Matérn 5/2 kernel that has a
//! length for each key (Snoek et al., *Practical Bayesian Optimization of Machine Learning Algorithms*, 2012); lengths, scale
//! and noise are those of greatest posterior density. The point of greatest expected improvement is looked for among a Sobol
//! sequence, near the best trials, and by a local search from the best of these. Choices differ or do not; a key that is not there
//! differs from any value.
//!
//! The work grows with the cube of the trials, so at most [`MOST`] are looked at: the best and the newest.

mod linear;
mod model;

use libm::log;
use medley_core::seed::{ChaCha8Rng, Purpose, stream};
use rand::RngExt as _;

use super::normal::{LOG_SQRT_TAU, below, density, draw};
use super::{Ask, Direction, Observation, Outcome, Sampler, Sobol};
use crate::Point;
use crate::space::Space;
use model::{Features, Model, of_cube, of_observation};

medley_core::keys! {
    /// Gaussian process with a Matérn kernel and expected improvement: for numbers, and up to a few hundred trials.
    pub struct Gp {
        /// Trials of a Sobol sequence before it begins.
        startup: usize = 10, in 2..=1000;
        /// Points of a Sobol sequence among which the best is looked for.
        candidates: usize = 512, in 16..=100_000;
    }
}

/// Trials that are looked at.
pub(super) const MOST: usize = 100;
/// Places from which the local search sets out, and its steps from each.
const STARTS: usize = 4;
const STEPS: usize = 80;
/// Neighbours of the best trials that are candidates.
const NEIGHBOURS: usize = 128;

impl Sampler for Gp {
    fn propose(&self, ask: &Ask<'_>) -> Option<Point> {
        let mut measured: Vec<(&Observation, f64)> =
            ask.seen.iter().filter_map(|seen| Some((seen, loss(ask.direction, seen)?))).collect();
        if measured.len() < self.startup {
            return Sobol {}.propose(ask);
        }
        measured = chosen(measured);
        let space = ask.space;
        let features = Features::new(space);
        let (inputs, targets) = data(ask, &measured);
        let best = targets.iter().copied().fold(f64::INFINITY, f64::min);
        let model = Model::fit(&features, inputs, targets);
        let improvement = |cube: &[f64]| {
            let (mean, deviation) = model.predict(&of_cube(space, cube));
            log_improvement(best, mean, deviation)
        };

        let mut rng = stream(ask.seed, Purpose::Search, &[ask.number, 1]);
        let mut places = candidates(ask, self.candidates, &measured, &mut rng);
        let mut scored: Vec<(f64, Vec<f64>)> = places.drain(..).map(|cube| (improvement(&cube), cube)).collect();
        scored.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        scored.truncate(STARTS);
        for (score, cube) in &mut scored {
            climb(space, &improvement, score, cube, &mut rng);
        }
        scored.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        // A point that was tried before tells little.
        let points = scored.into_iter().map(|(_, cube)| space.decode(&cube));
        let mut points: Vec<Point> = points.collect();
        let is_new =
            |point: &Point| space.encode(point).is_ok_and(|cube| ask.seen.iter().all(|seen| seen.cube != cube));
        let at = points.iter().position(is_new);
        match at {
            Some(at) => Some(points.swap_remove(at)),
            None => Sobol {}.propose(ask),
        }
    }
}

/// The loss of a trial that has one. Of a stopped trial it is that of its last rung.
pub(super) fn loss(direction: Direction, seen: &Observation) -> Option<f64> {
    match seen.outcome {
        Outcome::Finished(value) | Outcome::Stopped { value, .. } => Some(direction.loss(value)),
        Outcome::Running | Outcome::Failed => None,
    }
}

/// The best half of [`MOST`], and the newest of the others; by number.
fn chosen(mut measured: Vec<(&Observation, f64)>) -> Vec<(&Observation, f64)> {
    if measured.len() > MOST {
        measured.sort_by(|(a, of_a), (b, of_b)| of_a.total_cmp(of_b).then(a.number.cmp(&b.number)));
        measured[MOST / 2..].sort_by_key(|(seen, _)| std::cmp::Reverse(seen.number));
        measured.truncate(MOST);
    }
    measured.sort_by_key(|(seen, _)| seen.number);
    measured
}

/// Inputs and scaled losses. Running trials are taken to have the mean, so that workers keep apart. Losses far above the median are
/// drawn in: how bad a bad point is tells nothing of where the best one lies.
fn data(ask: &Ask<'_>, measured: &[(&Observation, f64)]) -> (Vec<Vec<f64>>, Vec<f64>) {
    let mut sorted: Vec<f64> = measured.iter().map(|(_, loss)| *loss).collect();
    sorted.sort_by(f64::total_cmp);
    let (median, least) = (sorted[sorted.len() / 2], sorted[0]);
    let spread = (median - least).max(f64::MIN_POSITIVE);
    let drawn_in = |loss: f64| {
        let above = (loss - median) / spread;
        if above > 0.0 && above.is_finite() { median + spread * libm::log1p(above) } else { loss.min(median) }
    };
    let losses: Vec<f64> = measured.iter().map(|(_, loss)| drawn_in(*loss)).collect();
    let count = losses.len() as f64;
    let mean = losses.iter().sum::<f64>() / count;
    let deviation = libm::sqrt(losses.iter().map(|loss| (loss - mean) * (loss - mean)).sum::<f64>() / count);
    let scale = if deviation > 0.0 && deviation.is_finite() { deviation } else { 1.0 };
    let mut inputs: Vec<Vec<f64>> = measured.iter().map(|(seen, _)| of_observation(&seen.cube)).collect();
    let mut targets: Vec<f64> = losses.iter().map(|loss| (loss - mean) / scale).collect();
    for running in ask.seen.iter().filter(|seen| seen.outcome == Outcome::Running).take(MOST / 2) {
        inputs.push(of_observation(&running.cube));
        targets.push(0.0);
    }
    (inputs, targets)
}

/// The logarithm of the expected improvement, which may be far too small for a number of 64 bits.
fn log_improvement(best: f64, mean: f64, deviation: f64) -> f64 {
    let z = (best - mean) / deviation;
    if z > -5.0 {
        log(deviation) + log((z * below(z) + density(z)).max(f64::MIN_POSITIVE))
    } else {
        // The first term of the series for large -z: phi(z) / z^2.
        log(deviation) - 0.5 * z * z - LOG_SQRT_TAU - 2.0 * log(-z)
    }
}

/// A Sobol sequence of this proposal's own, and neighbours of the best trials.
fn candidates(ask: &Ask<'_>, count: usize, measured: &[(&Observation, f64)], rng: &mut ChaCha8Rng) -> Vec<Vec<f64>> {
    let dimensions = ask.space.dimensions().len();
    let scrambling: u64 = rng.random();
    let mut places: Vec<Vec<f64>> =
        (0..count as u64).map(|trial| snapped(ask.space, Sobol::place(scrambling, trial, dimensions))).collect();
    let mut ranked: Vec<&(&Observation, f64)> = measured.iter().collect();
    ranked.sort_by(|(_, a), (_, b)| a.total_cmp(b));
    for turn in 0..NEIGHBOURS {
        let (seen, _) = ranked[turn % ranked.len().min(STARTS)];
        let from: Vec<f64> = seen.cube.iter().map(|at| at.unwrap_or_else(|| rng.random())).collect();
        let width = [0.1, 0.03, 0.01, 0.003][turn / STARTS % 4];
        places.push(neighbour(ask.space, &from, width, rng));
    }
    places
}

/// A place nearby: some of the keys are changed, choices at random.
fn neighbour(space: &Space, from: &[f64], width: f64, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let share = (2.0 / from.len() as f64).max(0.3);
    let mut moved = from.to_vec();
    for (at, dimension) in moved.iter_mut().zip(space.dimensions()) {
        if rng.random::<f64>() >= share {
            continue;
        }
        if dimension.domain.is_choice() {
            *at = rng.random();
        } else {
            // At least to the next of values that are counted.
            let step = dimension.domain.count().map_or(width, |count| width.max(1.0 / count as f64));
            *at = (*at + step * draw(rng)).clamp(0.0, 1.0);
        }
    }
    snapped(space, moved)
}

/// With counted values in the middle of their cells.
fn snapped(space: &Space, mut cube: Vec<f64>) -> Vec<f64> {
    for (at, dimension) in cube.iter_mut().zip(space.dimensions()) {
        if let Some(cell) = dimension.domain.cell(*at) {
            let (from, to) = dimension.domain.bounds(cell);
            *at = f64::midpoint(from, to);
        }
    }
    cube
}

/// Goes to better neighbours, with steps that become smaller where there are none.
fn climb(
    space: &Space,
    improvement: &impl Fn(&[f64]) -> f64,
    score: &mut f64,
    cube: &mut Vec<f64>,
    rng: &mut ChaCha8Rng,
) {
    let mut width = 0.1;
    for _ in 0..STEPS {
        let moved = neighbour(space, cube, width, rng);
        let reached = improvement(&moved);
        if reached > *score {
            (*score, *cube) = (reached, moved);
            width *= 1.5;
        } else {
            width *= 0.85;
        }
        width = width.clamp(1e-5, 0.3);
    }
}
