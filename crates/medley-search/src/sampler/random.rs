use medley_core::seed::{Purpose, stream};
use rand::RngExt as _;

use super::{Ask, Sampler};
use crate::Point;

medley_core::keys! {
    /// Independent points, each as likely as any other.
    pub struct Random {}
}

impl Sampler for Random {
    fn propose(&self, ask: &Ask<'_>) -> Option<Point> {
        let mut rng = stream(ask.seed, Purpose::Search, &[ask.number]);
        let cube: Vec<f64> = ask.space.dimensions().iter().map(|_| rng.random()).collect();
        Some(ask.space.decode(&cube))
    }

    fn sees_others(&self) -> bool {
        false
    }
}
