//! What people and programs are told beside the numbers.

use medley_core::Origin;
use medley_package::{Answer, Model};

/// What is to be said about an image that is unlike those of the training.
pub(crate) fn warning(model: &Model, answer: &Answer) -> Option<String> {
    let unlike = answer.unlike.filter(|unlike| unlike.warning)?;
    let often = model.unlike().map_or_else(String::new, |threshold| {
        format!("; {} % of the validation images are called so, too", rounded(100.0 * threshold.false_alarm_rate))
    });
    Some(format!(
        "this image is unlike the training images (score {:.3}), so the answer means little{often}",
        unlike.score
    ))
}

/// Whether the network learned from generated images.
pub(crate) fn is_synthetic(model: &Model) -> bool {
    model.task().origin == Origin::Synthetic
}

/// One digit after the point where it is not 0.
fn rounded(number: f64) -> String {
    let text = format!("{number:.1}");
    text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_owned)
}
