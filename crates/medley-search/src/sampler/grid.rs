use super::{Ask, Sampler};
use crate::space::Space;
use crate::{Domain, Point};

medley_core::keys! {
    /// All combinations, one after another; the study ends with the last. Counted values are all taken, if they are not more than
    /// `levels` or are choices; of others, `levels` that are evenly spread, both ends among them.
    pub struct Grid {
        /// Values of a key that has more of them, or infinitely many.
        levels: usize = 4, in 2..=1000;
    }
}

impl Grid {
    /// The places of a dimension, in its order.
    fn places(&self, domain: &Domain) -> Vec<f64> {
        let levels = domain.count().filter(|&count| count <= self.levels || domain.is_choice()).unwrap_or(self.levels);
        let last = (levels - 1) as f64;
        let place = |level: usize| match domain.count() {
            None => level as f64 / last,
            Some(count) => {
                let (from, to) = domain.bounds((level as f64 / last * (count - 1) as f64).round() as usize);
                f64::midpoint(from, to)
            }
        };
        (0..levels).map(place).collect()
    }

    /// The place of a number; keys that are not there have one place, the first.
    fn nth(&self, space: &Space, number: u64) -> Option<Vec<f64>> {
        let places: Vec<Vec<f64>> = space.dimensions().iter().map(|dimension| self.places(&dimension.domain)).collect();
        let mut levels = vec![0; places.len()];
        for _ in 0..number {
            let cube: Vec<f64> = places.iter().zip(&levels).map(|(places, &level)| places[level]).collect();
            let active = space.active(&cube);
            let next = (0..places.len()).rev().find(|&at| active[at] && levels[at] + 1 < places[at].len())?;
            levels[next] += 1;
            levels[next + 1..].fill(0);
        }
        Some(places.iter().zip(&levels).map(|(places, &level)| places[level]).collect())
    }
}

impl Sampler for Grid {
    fn propose(&self, ask: &Ask<'_>) -> Option<Point> {
        self.nth(ask.space, ask.number).map(|cube| ask.space.decode(&cube))
    }

    fn sees_others(&self) -> bool {
        false
    }
}
