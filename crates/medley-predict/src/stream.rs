//! Many pictures through one classifier: decoded in threads while the network computes, answered in order.

use std::sync::mpsc::sync_channel;

use medley_package::{Answer, Classifier};
use medley_pictures::{Input, Note, PictureError, Rules};
use rayon::prelude::*;

use crate::{Inputs, PredictError};

/// Batches that are decoded ahead of the network.
const AHEAD: usize = 2;

/// What became of one input.
#[derive(Debug)]
pub enum Outcome {
    /// It was classified.
    Answered(Answer, Vec<Note>),
    /// It could not be read.
    Skipped(PictureError),
}

/// Classifies all inputs, and hands each outcome over with its index, in order. Of `batch_size` pictures those that can be read are
/// one batch.
///
/// # Errors
/// What the network says, and what `take` does.
pub fn classify_all<E: From<PredictError>>(
    classifier: &mut dyn Classifier,
    inputs: &Inputs,
    rules: &Rules,
    batch_size: usize,
    mut take: impl FnMut(usize, Outcome) -> Result<(), E>,
) -> Result<(), E> {
    let (model, batch_size) = (classifier.model().clone(), batch_size.max(1));
    std::thread::scope(|scope| {
        let (decoded, batches) = sync_channel(AHEAD);
        let model = &model;
        scope.spawn(move || {
            for start in (0..inputs.len()).step_by(batch_size) {
                let end = inputs.len().min(start + batch_size);
                let read = |index| inputs.read(index, model, rules);
                let batch: Vec<Result<Input, PictureError>> = (start..end).into_par_iter().map(read).collect();
                // Who has failed takes no more.
                if decoded.send((start, batch)).is_err() {
                    return;
                }
            }
        });
        for (start, batch) in batches {
            let pixels: Vec<u8> = batch.iter().flatten().flat_map(|input| &input.pixels).copied().collect();
            let answers = if pixels.is_empty() {
                Vec::new()
            } else {
                classifier.classify(&pixels).map_err(PredictError::from)?
            };
            let mut answers = answers.into_iter();
            for (index, input) in (start..).zip(batch) {
                match input {
                    Err(error) => take(index, Outcome::Skipped(error))?,
                    Ok(input) => {
                        if let Some(answer) = answers.next() {
                            take(index, Outcome::Answered(answer, input.notes))?;
                        }
                    }
                }
            }
        }
        Ok(())
    })
}
