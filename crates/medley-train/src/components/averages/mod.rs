//! Averages: a second set of parameters and running statistics that follows the network, and that is validated and kept in its
//! place.
//!
//! An [`Average`] says how much of the network goes into it after each step; [`MovingAverage`](crate::engine::average) does the
//! arithmetic. To add one: a file here with its keys, and a line in the registry.

mod ema;
mod none;
mod swa;

use super::{Component, registry};

pub use ema::Ema;
pub use none::NoAverage;
pub use swa::Swa;

/// `[average]`
pub type AverageConfig = Component<AverageChoice, AverageKeys>;

medley_core::keys! {
    /// Which average of the weights is validated and kept.
    pub struct AverageKeys {}
}

/// How an average follows the network. Pure.
pub trait Average {
    /// How much of the network goes into the average after a step, the rest being the average so far: 0 to 1; `None` where it stays as
    /// it is. The first step after which it is `Some` must be at most the last of the first epoch.
    fn share(&self, position: AveragePosition) -> Option<f64>;

    /// Whether it takes the network as it is at the end of an epoch, whatever the last step of that was.
    fn goes_by_epochs(&self) -> bool {
        false
    }

    /// Whether there is one at all.
    fn is_kept(&self) -> bool {
        true
    }

    /// Training batches on which the running statistics of the average are measured anew before validation, `None` where their average
    /// will do.
    fn measured_on(&self, _position: AveragePosition) -> Option<usize> {
        None
    }
}

/// A step that was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AveragePosition {
    /// Counted from 0, over all epochs.
    pub step: usize,
    /// In an epoch.
    pub steps_per_epoch: usize,
    /// Of the run.
    pub epochs: usize,
}

impl AveragePosition {
    /// Epochs finished after this step, if one is.
    pub fn finished_epochs(self) -> Option<usize> {
        (self.step + 1).is_multiple_of(self.steps_per_epoch).then(|| (self.step + 1) / self.steps_per_epoch)
    }
}

registry! {
    /// The averages.
    AverageChoice: dyn Average = "average" {
        Ema(Ema) = "ema",
        Swa(Swa) = "swa",
        None(NoAverage) = "none",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Choice as _;
    use super::*;

    proptest! {
        #[test]
        fn every_average_takes_a_share_and_begins_in_the_first_epoch(steps in 1_usize..20, epochs in 1_usize..20) {
            for name in AverageChoice::NAMES {
                let average = AverageChoice::read(name, toml::Table::new()).unwrap();
                let position = |step| AveragePosition { step, steps_per_epoch: steps, epochs };
                let shares: Vec<_> = (0..steps * epochs).map(|step| average.share(position(step))).collect();
                prop_assert!(shares.iter().flatten().all(|share| (0.0..=1.0).contains(share)), "{name} {shares:?}");
                prop_assert!(!average.is_kept() || shares[..steps].iter().any(Option::is_some), "{}", name);
            }
        }
    }
}
