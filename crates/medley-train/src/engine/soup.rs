//! A soup at the end of a seed: the mean of the networks of several epochs, if validation says that it is better than the best of them.
//!
//! The networks that validation ranks highest are kept while the seed trains. When it has ended, they are added to the mean in that order, and
//! each stays in it if the mean is then no worse (Wortsman et al., *Model Soups*, 2022, algorithm 1). Running statistics of a mean
//! are measured on training batches, as the mean of statistics is not that of the network. All of this is a function of what
//! lies in the run folder: a process that is stopped on the way begins it again.

use medley_core::record::Event;
use tch::{TchError, Tensor, no_grad_guard};

use super::SeedRun;
use super::buffers::{copies, copy_over};
use crate::TrainError;
use crate::checkpoint::{Best, Progress};
use crate::components::selections::Selected;
use crate::observer::Observers;
use crate::stop::StopFlag;

medley_core::keys! {
    /// `[soup]`: the mean of the networks of the best epochs of a seed takes the place of the best, as far as that is no worse on the validation split (Wortsman
    /// et al., *Model Soups*, 2022, the greedy soup). The checkpoint of the best epoch then holds it.
    pub struct SoupConfig {
        /// Epochs whose networks are kept until the seed ends, the best by validation; left out, there is no soup.
        ingredients: Option<usize> = None, in 2..=100;
        /// Training batches on which the running statistics of a mean are measured; with 0, they are the mean of those of the networks.
        measure_on: usize = 100, in 0..=100_000;
    }
}

/// The mean of some networks.
struct Soup {
    tensors: Vec<(String, Tensor)>,
    epochs: Vec<usize>,
    best: Best,
}

impl Soup {
    /// Makes `state`, a network, the mean of itself and those in the soup.
    fn mean_with(&self, state: &[(String, Tensor)]) -> Result<(), TchError> {
        let share = 1.0 / (self.epochs.len() + 1) as f64;
        for ((_, tensor), (_, mean)) in state.iter().zip(&self.tensors) {
            if tensor.is_floating_point() {
                tensor.shallow_clone().f_copy_(&mean.f_lerp(tensor, share)?)?;
            }
        }
        Ok(())
    }
}

impl SeedRun<'_> {
    /// Keeps the network as it is, validated, if it is one of the best so far.
    pub(super) fn keep_ingredient(
        &mut self,
        epoch: usize,
        harmonic_mean: f64,
        selected: Selected,
    ) -> Result<(), TrainError> {
        let Some(count) = self.experiment.soup.ingredients else { return Ok(()) };
        let kept = &mut self.progress.ingredients;
        let place = kept.iter().position(|best| best.selected().is_beaten_by(&selected)).unwrap_or(kept.len());
        if place >= count {
            return Ok(());
        }
        kept.insert(place, Best { epoch, harmonic_mean, selected: Some(selected) });
        kept.truncate(count);
        self.checkpoints.save_ingredient(self.storage, &self.progress, &self.model_state())?;
        Ok(())
    }

    /// Makes the soup of a seed that has ended, once; `false` when a stop was asked for before it was ready.
    pub(super) fn make_soup(&mut self, observers: &mut Observers, stop: &StopFlag) -> Result<bool, TrainError> {
        if self.experiment.soup.ingredients.is_none() || self.progress.soup.is_some() {
            return Ok(true);
        }
        let trained = copies(&self.state)?;
        let soup = self.greedy_soup(observers, stop);
        let soup = match soup {
            Ok(Some(soup)) => soup,
            stopped => {
                copy_over(&self.state, &trained)?;
                return stopped.map(|_| false);
            }
        };
        let Best { epoch, harmonic_mean, .. } = soup.best;
        if soup.epochs.len() > 1 {
            copy_over(&self.state, &soup.tensors)?;
            let progress = Progress { epoch, step: 0, best: Some(soup.best), ..self.progress.clone() };
            self.checkpoints.save_best(self.storage, &progress, &self.model_state())?;
        }
        copy_over(&self.state, &trained)?;
        self.progress.best = Some(soup.best);
        self.progress.soup = Some(soup.epochs.clone());
        self.progress.ingredients.clear();
        observers.send(&Event::SoupMade { seed: self.seed, epochs: soup.epochs, harmonic_mean })?;
        self.save_last(observers)?;
        Ok(true)
    }

    /// Leaves some mean in the network; `None` when a stop was asked for.
    fn greedy_soup(&mut self, observers: &mut Observers, stop: &StopFlag) -> Result<Option<Soup>, TrainError> {
        let ranking = self.progress.ingredients.clone();
        let missing = || TrainError::Checkpoint(self.checkpoints.no_ingredients());
        let (first, others) = ranking.split_first().ok_or_else(missing)?;
        self.checkpoints.load_ingredient(first.epoch, &self.model_state())?;
        let mut soup = Soup { tensors: copies(&self.state)?, epochs: vec![first.epoch], best: *first };
        for other in others {
            self.checkpoints.load_ingredient(other.epoch, &self.model_state())?;
            {
                let _guard = no_grad_guard();
                soup.mean_with(&self.state)?;
            }
            self.measure_statistics_on(self.experiment.soup.measure_on, self.last_position())?;
            let Some(predictions) = self.predict_validation(observers, stop)? else { return Ok(None) };
            let (result, _, selected) = self.validated(predictions)?;
            if !selected.is_beaten_by(&soup.best.selected()) {
                let best = Best { harmonic_mean: result.harmonic_mean, selected: Some(selected), ..soup.best };
                soup =
                    Soup { tensors: copies(&self.state)?, epochs: [&soup.epochs[..], &[other.epoch]].concat(), best };
            }
        }
        Ok(Some(soup))
    }

    /// The position of the last step that was made.
    fn last_position(&self) -> usize {
        (self.progress.epoch * self.steps_per_epoch()).saturating_sub(1)
    }
}
