//! What only validation images tell of a network.

use medley_core::{ImageSource, Scores, Split};
use medley_decisions::{FitOptions, Rows, fit};
use medley_package::{Document, UnlikeThreshold};
use medley_storage::Storage;
use medley_train::session::Session;

use crate::run::OpenedRun;
use crate::{Bundle, ComputeOptions, PredictError, RunSource};

/// Of images like those of validation, at most this share is called unlike.
pub const FALSE_ALARM_RATE: f64 = 0.05;
/// Images that are handed to a network at once.
const CHUNK: usize = 4_096;

/// Adds, to the network of a run, when an image is called unlike the training images, and, where the run has no `decisions.json`, the
/// decision: both are fitted on the validation images of the run, which are read from the data folder.
///
/// # Errors
/// Data that are missing or not those of the run, and what the network says.
pub fn calibrate(bundle: Bundle, source: &RunSource<'_>, storage: &dyn Storage) -> Result<Bundle, PredictError> {
    let run = OpenedRun::read(source)?;
    let session = Session::open(source.data_folder, medley_data::OpenOptions::default(), storage);
    let learning = session.learning_data(&run.experiment, &run.layout, &run.manifest)?;
    let decided = run.layout.decisions().symlink_metadata().is_ok();
    let mut found = Vec::new();
    for (index, model) in bundle.package().models().iter().enumerate() {
        let at = learning.tasks.iter().position(|task| task.name == model.task().name).unwrap_or_default();
        let Some(images) = learning.val.images().nth(at) else { continue };
        let (probabilities, energies) = predict(&bundle, index, images.as_ref())?;
        let decision = if decided {
            None
        } else {
            let values = probabilities.iter().map(|&value| f64::from(value)).collect();
            let scores = Scores::new(values, images.len(), model.task().outputs());
            let scores = scores.map_err(medley_train::TrainError::Core)?;
            let data = run.manifest.data.iter().find(|data| data.task.name == model.task().name);
            let counts = data.and_then(|data| data.class_counts.get(&Split::Train)).map(Vec::as_slice);
            let rows = Rows::new(model.task(), &learning.val_labels[at]);
            let fitted = fit(&rows, &scores, counts, &FitOptions::default())?;
            Some(fitted.decision(model.task())?)
        };
        found.push((threshold(energies), decision));
    }
    let add = |document: &mut Document| {
        for (task, (unlike, decision)) in document.tasks.iter_mut().zip(found) {
            task.unlike = unlike;
            if let Some(decision) = decision {
                task.decision = decision;
            }
        }
    };
    bundle.described_by(add, source.run)
}

fn predict(bundle: &Bundle, task: usize, images: &dyn ImageSource) -> Result<(Vec<f32>, Vec<f32>), PredictError> {
    let mut classifier = bundle.classifier(task, ComputeOptions::default())?;
    let (mut probabilities, mut energies) = (Vec::new(), Vec::new());
    // Whole batches, so that they are those of the run.
    let batch = bundle.package().compute().batch_size;
    let chunk = (CHUNK / batch).max(1) * batch;
    for start in (0..images.len()).step_by(chunk) {
        let end = images.len().min(start + chunk);
        let bytes: Vec<u8> = (start..end).flat_map(|index| images.image(index)).copied().collect();
        let raw = classifier.raw(&bytes)?;
        probabilities.extend(raw.probabilities);
        energies.extend(raw.energies);
    }
    Ok((probabilities, energies))
}

/// The energy that at most [`FALSE_ALARM_RATE`] of the images exceed; `None` without images.
fn threshold(mut energies: Vec<f32>) -> Option<UnlikeThreshold> {
    energies.retain(|energy| energy.is_finite());
    energies.sort_by(f32::total_cmp);
    let rows = energies.len();
    let allowed = (rows as f64 * FALSE_ALARM_RATE) as usize;
    let threshold = f64::from(*energies.get((rows - allowed).checked_sub(1)?)?);
    let above = energies.iter().filter(|&&energy| f64::from(energy) > threshold).count();
    Some(UnlikeThreshold { threshold, false_alarm_rate: above as f64 / rows as f64, rows })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_most_the_stated_share_is_above() {
        let energies: Vec<f32> = (0..78).map(|value| (value * 31 % 78) as f32).collect();
        let threshold = threshold(energies).unwrap();
        assert_eq!((threshold.threshold, threshold.rows), (74.0, 78));
        assert!((threshold.false_alarm_rate - 3.0 / 78.0).abs() < 1e-12);
        let equal = super::threshold(vec![1.0; 50]).unwrap();
        assert_eq!((equal.threshold, equal.false_alarm_rate), (1.0, 0.0));
        assert_eq!(super::threshold(vec![f32::NAN]), None);
    }
}
