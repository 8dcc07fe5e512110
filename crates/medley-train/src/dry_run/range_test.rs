use serde::Serialize;

/// How much of the smoothed loss is kept from step to step, as in fastai.
const SMOOTHING: f64 = 0.98;

/// A learning rate range test (Smith, *Cyclical Learning Rates for Training Neural Networks*, 2017): the loss while the rate rises.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RangeTest {
    /// One per step that was made.
    pub points: Vec<RangePoint>,
    /// In the middle of the longest stretch in which the smoothed loss falls, as fastai's `valley`; `None` if it never falls.
    pub valley: Option<f64>,
    /// Where the smoothed loss falls fastest per decade.
    pub steepest: Option<f64>,
    /// A tenth of the rate with the least smoothed loss.
    pub tenth_of_least: Option<f64>,
}

/// A step of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RangePoint {
    /// The rate of the step.
    pub learning_rate: f64,
    /// The loss before the step.
    pub loss: f64,
    /// The exponential mean of the losses so far.
    pub smoothed: f64,
}

/// Rates that rise by the same factor from step to step.
pub fn rates(from: f64, to: f64, steps: usize) -> Vec<f64> {
    let last = steps.saturating_sub(1).max(1) as f64;
    (0..steps).map(|step| from * (to / from).powf(step as f64 / last)).collect()
}

impl RangeTest {
    /// What the losses of the first rates tell.
    pub fn new(rates: &[f64], losses: &[f64]) -> Self {
        let mut mean = 0.0;
        let point = |(step, (&learning_rate, &loss)): (usize, (&f64, &f64))| {
            mean = SMOOTHING * mean + (1.0 - SMOOTHING) * loss;
            let smoothed = mean / (1.0 - SMOOTHING.powi(step as i32 + 1));
            RangePoint { learning_rate, loss, smoothed }
        };
        let pairs = rates.iter().zip(losses).take_while(|(_, loss)| loss.is_finite());
        let points: Vec<RangePoint> = pairs.enumerate().map(point).collect();
        let least = points.iter().min_by(|a, b| a.smoothed.total_cmp(&b.smoothed));
        let falls = points.first().zip(least).is_some_and(|(first, least)| least.smoothed < first.smoothed);
        let of_falling = |rate: Option<f64>| rate.filter(|_| falls);
        Self {
            valley: of_falling(valley(&points)),
            steepest: of_falling(steepest(&points)),
            tenth_of_least: of_falling(least.map(|point| point.learning_rate / 10.0)),
            points,
        }
    }
}

/// The middle of the longest falling subsequence.
fn valley(points: &[RangePoint]) -> Option<f64> {
    let mut longest = vec![1_usize; points.len()];
    let mut end = 0;
    for later in 1..points.len() {
        for earlier in 0..later {
            if points[later].smoothed < points[earlier].smoothed {
                longest[later] = longest[later].max(longest[earlier] + 1);
            }
        }
        if longest[later] > longest[end] {
            end = later;
        }
    }
    let length = *longest.get(end)?;
    let start = end + 1 - length;
    let third = (end - start) as f64 / 3.0;
    points.get(start + (third + third / 2.0) as usize).map(|point| point.learning_rate)
}

/// Where the slope over the logarithm of the rate is most negative.
fn steepest(points: &[RangePoint]) -> Option<f64> {
    let slope = |pair: &[RangePoint]| {
        (pair[1].smoothed - pair[0].smoothed) / (pair[1].learning_rate / pair[0].learning_rate).ln()
    };
    let slopes = points.windows(2).map(|pair| (slope(pair), pair[0].learning_rate));
    slopes.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, rate)| rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_rise_by_one_factor() {
        let rates = rates(1e-4, 1.0, 5);
        for (rate, expected) in rates.iter().zip([1e-4, 1e-3, 1e-2, 1e-1, 1.0]) {
            assert!((rate / expected - 1.0).abs() < 1e-12);
        }
        assert_eq!(super::rates(0.1, 1.0, 1), [0.1]);
    }

    #[test]
    fn the_suggestions_lie_where_the_loss_falls() {
        let rates = rates(1e-6, 10.0, 141);
        // Flat until 1e-4, falling until 1e-1, rising after it.
        let loss = |rate: &f64| match rate.log10() {
            log if log < -4.0 => 2.0,
            log if log < -1.0 => 2.0 - 0.5 * (log + 4.0),
            log => 0.5 + 20.0 * (log + 1.0),
        };
        let losses: Vec<f64> = rates.iter().map(loss).collect();
        let test = RangeTest::new(&rates, &losses);
        for rate in [test.valley, test.steepest, test.tenth_of_least] {
            assert!((1e-5..0.2).contains(&rate.unwrap()), "{rate:?}");
        }
        assert_eq!(test.points.len(), 141);
    }

    #[test]
    fn a_loss_that_never_falls_suggests_nothing() {
        let rates = rates(1e-3, 1.0, 10);
        let rising: Vec<f64> = (1..=10).map(f64::from).collect();
        assert_eq!(RangeTest::new(&rates, &rising).valley, None);
        assert_eq!(RangeTest::new(&rates, &[f64::NAN]).points, []);
        assert_eq!(RangeTest::new(&[], &[]).steepest, None);
        let diverged = RangeTest::new(&rates, &[2.0, 1.5, 1.0, f64::INFINITY, 1.0]);
        assert_eq!(diverged.points.len(), 3);
        assert!(diverged.valley.is_some());
    }
}
