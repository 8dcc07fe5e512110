//! What only validation images tell of a network.

use medley_core::{ImageSource, Scores, Split};
use medley_decisions::{FitOptions, Rows, fit};
use medley_package::{Document, UnlikeScore, UnlikeThreshold};
use medley_storage::Storage;
use medley_train::data::LearningData;
use medley_train::session::Session;

use crate::gaussian::Gaussian;
use crate::run::OpenedRun;
use crate::{Bundle, ComputeOptions, PredictError, RunSource};

/// Of images like those of validation, at most this share is called unlike.
pub const FALSE_ALARM_RATE: f64 = 0.05;
/// Images that are handed to a network at once.
const CHUNK: usize = 4_096;

/// The most training images that others are compared with.
const MOST_TRAINING: usize = 20_000;

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
    let bundle = with_gaussians(bundle, &learning, source)?;
    let mut found = Vec::new();
    for (index, model) in bundle.package().models().iter().enumerate() {
        let at = learning.tasks.iter().position(|task| task.name == model.task().name).unwrap_or_default();
        let Some(images) = learning.val.images().nth(at) else { continue };
        let (probabilities, unlike) = predict(&bundle, index, images.as_ref())?;
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
        let by = model.unlike().map_or(UnlikeScore::Energy, |unlike| unlike.score);
        found.push((threshold(unlike, by), decision));
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

/// Adds what images are compared with: the training images, as the network sees them.
fn with_gaussians(bundle: Bundle, learning: &LearningData, source: &RunSource<'_>) -> Result<Bundle, PredictError> {
    let mut found = Vec::new();
    for (index, model) in bundle.package().models().iter().enumerate() {
        let at = learning.tasks.iter().position(|task| task.name == model.task().name).unwrap_or_default();
        let images = learning.train.images().nth(at);
        found.push(images.map_or(Ok(None), |images| fitted(&bundle, index, images.as_ref()))?);
    }
    bundle.compared_with(&found, source.run)
}

fn fitted(bundle: &Bundle, task: usize, images: &dyn ImageSource) -> Result<Option<Gaussian>, PredictError> {
    let mut classifier = bundle.watched(task)?;
    let rows: Vec<usize> = (0..images.len()).step_by(images.len().div_ceil(MOST_TRAINING).max(1)).collect();
    let mut features = Vec::new();
    for rows in rows.chunks(CHUNK) {
        let bytes: Vec<u8> = rows.iter().flat_map(|&index| images.image(index)).copied().collect();
        features.extend(classifier.raw(&bytes)?.features);
    }
    // Of each image, as many rows as it has views.
    let count = rows.len() * bundle.package().models()[task].views().len();
    Ok(Gaussian::fit(&features, features.len() / count.max(1))?)
}

fn predict(bundle: &Bundle, task: usize, images: &dyn ImageSource) -> Result<(Vec<f32>, Vec<f32>), PredictError> {
    let mut classifier = bundle.classifier(task, ComputeOptions::default())?;
    let (mut probabilities, mut unlike) = (Vec::new(), Vec::new());
    // Whole batches, so that they are those of the run.
    let batch = bundle.package().compute().batch_size;
    let chunk = (CHUNK / batch).max(1) * batch;
    for start in (0..images.len()).step_by(chunk) {
        let end = images.len().min(start + chunk);
        let bytes: Vec<u8> = (start..end).flat_map(|index| images.image(index)).copied().collect();
        let raw = classifier.raw(&bytes)?;
        probabilities.extend(raw.probabilities);
        unlike.extend(raw.unlike);
    }
    Ok((probabilities, unlike))
}

/// The score that at most [`FALSE_ALARM_RATE`] of the images exceed; `None` without images.
fn threshold(mut scores: Vec<f32>, score: UnlikeScore) -> Option<UnlikeThreshold> {
    scores.retain(|value| value.is_finite());
    scores.sort_by(f32::total_cmp);
    let rows = scores.len();
    let allowed = (rows as f64 * FALSE_ALARM_RATE) as usize;
    let threshold = f64::from(*scores.get((rows - allowed).checked_sub(1)?)?);
    let above = scores.iter().filter(|&&value| f64::from(value) > threshold).count();
    Some(UnlikeThreshold { score, threshold, false_alarm_rate: above as f64 / rows as f64, rows })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_most_the_stated_share_is_above() {
        let energies: Vec<f32> = (0..78).map(|value| (value * 31 % 78) as f32).collect();
        let threshold = threshold(energies, UnlikeScore::Energy).unwrap();
        assert_eq!((threshold.threshold, threshold.rows), (74.0, 78));
        assert!((threshold.false_alarm_rate - 3.0 / 78.0).abs() < 1e-12);
        let equal = super::threshold(vec![1.0; 50], UnlikeScore::Features).unwrap();
        assert_eq!((equal.threshold, equal.false_alarm_rate), (1.0, 0.0));
        assert_eq!(super::threshold(vec![f32::NAN], UnlikeScore::Energy), None);
    }
}
