//! The Gaussian process: kernel, hyperparameters, prediction.

use libm::{exp, log, sqrt};

use super::linear::{Triangle, dot};
use crate::space::Space;

/// What a key that is not there has in place of a number.
const ABSENT: f64 = -1.0;
/// Least variance of the noise; losses have variance 1.
const LEAST_NOISE: f64 = 1e-6;
/// Steps of the search for hyperparameters.
const FIT_STEPS: usize = 30;
/// Inverse squared lengths that it sets out from, of which the best is taken.
const FIT_STARTS: [f64; 3] = [0.3, 2.0, 15.0];
/// Most that a logarithm of a hyperparameter may be, either way.
const LOG_MOST: f64 = 14.0;

/// How keys are compared.
#[derive(Debug)]
pub(super) struct Features {
    is_choice: Vec<bool>,
}

impl Features {
    pub(super) fn new(space: &Space) -> Self {
        Self { is_choice: space.dimensions().iter().map(|dimension| dimension.domain.is_choice()).collect() }
    }

    /// The squared distance in one key.
    fn squared(&self, key: usize, a: f64, b: f64) -> f64 {
        if a == b {
            0.0
        } else if self.is_choice[key] || a == ABSENT || b == ABSENT {
            1.0
        } else {
            (a - b) * (a - b)
        }
    }
}

/// A trial as the kernel sees it.
pub(super) fn of_observation(cube: &[Option<f64>]) -> Vec<f64> {
    cube.iter().map(|at| at.unwrap_or(ABSENT)).collect()
}

/// A place of the cube as the kernel sees it.
pub(super) fn of_cube(space: &Space, cube: &[f64]) -> Vec<f64> {
    cube.iter().zip(space.active(cube)).map(|(&at, active)| if active { at } else { ABSENT }).collect()
}

/// Logarithms of: inverse squared lengths, one per key; scale; noise.
type Parameters = Vec<f64>;

/// A process that has seen losses.
pub(super) struct Model<'a> {
    features: &'a Features,
    inputs: Vec<Vec<f64>>,
    parameters: Parameters,
    /// The inverse of the Cholesky factor of the covariance.
    inverse_factor: Triangle,
    /// The inverse covariance times the losses.
    alpha: Vec<f64>,
}

impl<'a> Model<'a> {
    /// Hyperparameters of greatest posterior density: the best of a few starts, improved in a fixed number of steps.
    pub(super) fn fit(features: &'a Features, inputs: Vec<Vec<f64>>, targets: Vec<f64>) -> Self {
        let keys = features.is_choice.len();
        let pairs = Pairs::new(features, &inputs);
        let start = |length: f64| {
            let mut parameters = vec![log(length); keys];
            parameters.extend([0.0, log(1e-3)]);
            parameters
        };
        let evaluated = FIT_STARTS.map(|length| {
            let parameters = start(length);
            (pairs.posterior(&targets, &parameters).0, parameters)
        });
        let mut best = evaluated.into_iter().reduce(|a, b| if b.0 > a.0 { b } else { a }).unwrap_or((0.0, start(1.0)));
        climb(|parameters| pairs.posterior(&targets, parameters), &mut best);
        let mut parameters = best.1;
        // Rounding may leave a covariance of very close points without a factor: a little more noise gives it one.
        loop {
            if let Some(factor) = pairs.covariance(&parameters).0.cholesky() {
                let inverse_factor = factor.inverse();
                let alpha = inverse_factor.transposed_times(&inverse_factor.times(&targets));
                return Self { features, inputs, parameters, inverse_factor, alpha };
            }
            parameters[keys + 1] += 2.0;
        }
    }

    /// Mean and deviation of the loss, without noise.
    pub(super) fn predict(&self, at: &[f64]) -> (f64, f64) {
        let keys = self.features.is_choice.len();
        let weights: Vec<f64> = self.parameters[..keys].iter().map(|weight| exp(*weight)).collect();
        let scale = exp(self.parameters[keys]);
        let covariance = |input: &Vec<f64>| {
            let squared = (0..keys).map(|key| weights[key] * self.features.squared(key, at[key], input[key])).sum();
            scale * matern(squared).0
        };
        let covariances: Vec<f64> = self.inputs.iter().map(covariance).collect();
        let explained = self.inverse_factor.times(&covariances);
        let variance = scale - dot(&explained, &explained);
        (dot(&covariances, &self.alpha), sqrt(variance.max(1e-12 * scale)))
    }
}

/// The Matérn 5/2 kernel of a squared distance, and its derivative by that.
fn matern(squared: f64) -> (f64, f64) {
    let root = sqrt(5.0 * squared);
    let decay = exp(-root);
    ((1.0 + root + 5.0 / 3.0 * squared) * decay, -5.0 / 6.0 * (1.0 + root) * decay)
}

/// Squared distances in each key between all pairs of inputs.
struct Pairs {
    size: usize,
    keys: usize,
    /// Of pair p, key k: `squared[p * keys + k]`; pairs as in a [`Triangle`].
    squared: Vec<f64>,
}

impl Pairs {
    fn new(features: &Features, inputs: &[Vec<f64>]) -> Self {
        let keys = features.is_choice.len();
        let mut squared = Vec::with_capacity(inputs.len() * (inputs.len() + 1) / 2 * keys);
        for (row, a) in inputs.iter().enumerate() {
            for b in &inputs[..=row] {
                squared.extend((0..keys).map(|key| features.squared(key, a[key], b[key])));
            }
        }
        Self { size: inputs.len(), keys, squared }
    }

    /// The covariance, and its derivative by the squared distance.
    fn covariance(&self, parameters: &[f64]) -> (Triangle, Vec<f64>) {
        let weights: Vec<f64> = parameters[..self.keys].iter().map(|weight| exp(*weight)).collect();
        let (scale, noise) = (exp(parameters[self.keys]), exp(parameters[self.keys + 1]) + LEAST_NOISE);
        let mut covariance = Triangle::zeros(self.size);
        let mut slopes = vec![0.0; covariance.entries.len()];
        let pairs = covariance.entries.iter_mut().zip(&mut slopes).zip(self.squared.chunks_exact(self.keys));
        for ((entry, slope), squared) in pairs {
            let (value, derivative) = matern(dot(&weights, squared));
            (*entry, *slope) = (scale * value, scale * derivative);
        }
        for row in 0..self.size {
            covariance.entries[row * (row + 3) / 2] += noise;
        }
        (covariance, slopes)
    }

    /// The logarithm of the posterior density of hyperparameters, up to a constant, and its gradient. The priors are those of
    /// Optuna's `GPSampler`: lengths neither tiny nor huge, a scale near 1 (Gamma(2, 1)), little noise (Gamma(1.1, 30)).
    fn posterior(&self, targets: &[f64], parameters: &[f64]) -> (f64, Vec<f64>) {
        let (covariance, slopes) = self.covariance(parameters);
        let Some(factor) = covariance.cholesky() else { return (f64::NEG_INFINITY, vec![0.0; parameters.len()]) };
        let inverse_factor = factor.inverse();
        let whitened = inverse_factor.times(targets);
        let alpha = inverse_factor.transposed_times(&whitened);
        let log_determinant: f64 = (0..self.size).map(|row| log(factor.row(row)[row])).sum();
        let mut density = -0.5 * dot(&whitened, &whitened) - log_determinant;

        // Of each pair: (alpha alpha' - K^-1) / 2, counted twice off the diagonal.
        let inverse = inverse_factor.gram();
        let mut gradient = vec![0.0; parameters.len()];
        let (scale, noise) = (exp(parameters[self.keys]), exp(parameters[self.keys + 1]));
        let mut pair = 0;
        for row in 0..self.size {
            for column in 0..=row {
                let share = alpha[row] * alpha[column] - inverse.entries[pair];
                if row == column {
                    gradient[self.keys] += 0.5 * share * scale;
                    gradient[self.keys + 1] += 0.5 * share * noise;
                } else {
                    gradient[self.keys] += share * covariance.entries[pair];
                    let slope = share * slopes[pair];
                    let squared = &self.squared[pair * self.keys..(pair + 1) * self.keys];
                    gradient[..self.keys].iter_mut().zip(squared).for_each(|(sum, squared)| *sum += slope * squared);
                }
                pair += 1;
            }
        }
        for (gradient, parameter) in gradient.iter_mut().zip(&parameters[..self.keys]) {
            let weight = exp(*parameter);
            *gradient = *gradient * weight + 0.1 / weight - 0.1 * weight;
            density -= 0.1 / weight + 0.1 * weight;
        }
        density += parameters[self.keys] - scale + 0.1 * parameters[self.keys + 1] - 30.0 * noise;
        gradient[self.keys] += 1.0 - scale;
        gradient[self.keys + 1] += 0.1 - 30.0 * noise;
        (density, gradient)
    }
}

/// Goes uphill in a fixed number of steps whose sizes follow the signs of the gradient (Riedmiller and Braun, 1993: Rprop), and keeps
/// the best place.
fn climb(density: impl Fn(&[f64]) -> (f64, Vec<f64>), best: &mut (f64, Parameters)) {
    let mut at = best.1.clone();
    let mut sizes: Vec<f64> = vec![0.3; at.len()];
    let mut before = vec![0.0; at.len()];
    for _ in 0..FIT_STEPS {
        let (reached, gradient) = density(&at);
        if reached > best.0 {
            *best = (reached, at.clone());
        }
        for ((at, size), (slope, before)) in at.iter_mut().zip(&mut sizes).zip(gradient.iter().zip(&mut before)) {
            let turned = *slope * *before;
            *size = (*size * if turned < 0.0 { 0.5 } else { 1.2 }).clamp(1e-3, 1.5);
            let slope = if turned < 0.0 { 0.0 } else { *slope };
            if slope != 0.0 {
                *at = (*at + size.copysign(slope)).clamp(-LOG_MOST, LOG_MOST);
            }
            *before = slope;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> (Features, Vec<Vec<f64>>, Vec<f64>) {
        let features = Features { is_choice: vec![false, true] };
        let inputs: Vec<Vec<f64>> =
            (0..12).map(|i| vec![f64::from(i * 7 % 12) / 12.0, if i % 3 == 0 { ABSENT } else { 0.25 }]).collect();
        let targets = inputs.iter().map(|x| libm::sin(5.0 * x[0]) + 0.3 * x[1]).collect();
        (features, inputs, targets)
    }

    #[test]
    fn the_gradient_is_that_of_the_density() {
        let (features, inputs, targets) = example();
        let pairs = Pairs::new(&features, &inputs);
        let parameters = vec![0.4, -0.3, 0.2, -3.0];
        let (_, gradient) = pairs.posterior(&targets, &parameters);
        for index in 0..parameters.len() {
            let mut moved = [parameters.clone(), parameters.clone()];
            moved[0][index] -= 1e-5;
            moved[1][index] += 1e-5;
            let [low, high] = moved.map(|parameters| pairs.posterior(&targets, &parameters).0);
            let slope = (high - low) / 2e-5;
            assert!((slope - gradient[index]).abs() < 1e-4 * slope.abs().max(1.0), "{index}: {slope} {gradient:?}");
        }
    }

    #[test]
    fn it_passes_through_what_it_has_seen_and_is_unsure_elsewhere() {
        let (features, inputs, targets) = example();
        let model = Model::fit(&features, inputs.clone(), targets.clone());
        for (input, target) in inputs.iter().zip(&targets) {
            let (mean, deviation) = model.predict(input);
            assert!((mean - target).abs() < 0.1 && deviation < 0.2, "{mean} {target} {deviation}");
        }
        let near = model.predict(&[0.5, 0.25]).1;
        let far = model.predict(&[0.5, 0.75]).1;
        assert!(far > near, "{near} {far}");
    }

    #[test]
    fn equal_points_are_no_obstacle() {
        let features = Features { is_choice: vec![false] };
        let model = Model::fit(&features, vec![vec![0.5]; 20], vec![0.0; 20]);
        assert!(model.predict(&[0.5]).0.abs() < 1e-6);
    }
}
