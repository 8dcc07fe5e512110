//! What a policy or a corruption does, image by image, to be looked at.
//!
//! Images are handed out with their place in a table; whoever calls puts them on a sheet.
//!
//! ```
//! use medley_augment::preview::{PreviewOptions, preview_policy};
//! use medley_augment::{Policy, PolicyConfig};
//! use medley_core::{ImageShape, Images, Modality};
//!
//! let images = Images::new(ImageShape::flat(28, 28, 3), 2, (0..2 * 2352).map(|i| (i % 251) as u8).collect())?;
//! let policy = Policy::new(&PolicyConfig::builtin(Modality::Pathology))?;
//! let options = PreviewOptions { indices: vec![0, 1], draws: 8, seed: 0, task: 0 };
//! let mut places = Vec::new();
//! preview_policy(&images, &policy, &options, &mut |row, column, image| places.push((row, column, image.len())))?;
//! assert_eq!((places.len(), places[9]), (18, (1, 0, 2352)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use medley_core::{ImageSource, Modality};

use crate::corruption::{Corruption, CorruptionConfig};
use crate::{AugmentError, Filter, Padding, Plan, Policy, Random, Renderer};

/// What to show of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviewOptions {
    /// Images, one per row.
    pub indices: Vec<usize>,
    /// Columns beside the first one, which shows the image as it is. Column `k` is the draw of epoch `k - 1`.
    pub draws: usize,
    /// Seed of the draws, as of training.
    pub seed: u64,
    /// Position of the task among those of the training, on which draws depend too.
    pub task: usize,
}

/// Receives a row, a column, and the bytes of an image in the shape of its source.
pub type Show<'a> = &'a mut dyn FnMut(usize, usize, &[u8]);

/// Rows images, columns draws.
///
/// # Errors
/// [`AugmentError::NoImage`].
pub fn preview_policy(
    images: &dyn ImageSource,
    policy: &Policy,
    options: &PreviewOptions,
    show: Show<'_>,
) -> Result<(), AugmentError> {
    let shape = images.shape();
    let mut renderer = Renderer::default();
    let mut plan = Plan::new(shape);
    for (row, &index) in options.indices.iter().enumerate() {
        let image = image(images, index)?;
        show(row, 0, image);
        for draw in 0..options.draws {
            plan.clear(shape);
            policy.draw(&mut Random::for_sample(options.seed, draw as u64, options.task, index), &mut plan);
            let drawn = renderer.render(&plan, policy.filter(), policy.padding(), image).to_bytes(shape.channels);
            show(row, draw + 1, &drawn);
        }
    }
    Ok(())
}

/// One image: rows are the corruptions of its modality, columns the image as it is and severities 1 to 5.
///
/// # Errors
/// As [`preview_policy`].
pub fn preview_corruptions(
    images: &dyn ImageSource,
    modality: Modality,
    index: usize,
    seed: u64,
    show: Show<'_>,
) -> Result<(), AugmentError> {
    let shape = images.shape();
    let image = image(images, index)?;
    let mut renderer = Renderer::default();
    for (row, &kind) in Corruption::for_modality(modality).iter().enumerate() {
        show(row, 0, image);
        for severity in 1..=5 {
            let transform = CorruptionConfig { kind, severity, modality, probability: 1.0 }.build();
            let mut plan = Plan::new(shape);
            transform.draw(&mut Random::for_sample(seed, 0, 0, index), &mut plan);
            let drawn = renderer.render(&plan, Filter::Bilinear, Padding::Reflect, image).to_bytes(shape.channels);
            show(row, severity as usize, &drawn);
        }
    }
    Ok(())
}

fn image(images: &dyn ImageSource, index: usize) -> Result<&[u8], AugmentError> {
    if index < images.len() {
        Ok(images.image(index))
    } else {
        Err(AugmentError::NoImage { index, images: images.len() })
    }
}

#[cfg(test)]
mod tests {
    use medley_core::{ImageShape, Images};

    use super::*;
    use crate::PolicyConfig;

    #[test]
    fn the_first_column_is_the_image_and_missing_ones_are_named() {
        let images = Images::new(ImageShape::flat(2, 2, 1), 1, vec![1, 2, 3, 4]).unwrap();
        let policy = Policy::new(&PolicyConfig::none()).unwrap();
        let mut options = PreviewOptions { indices: vec![0], draws: 1, seed: 0, task: 0 };
        let mut shown = Vec::new();
        preview_policy(&images, &policy, &options, &mut |row, column, image| shown.push((row, column, image.to_vec())))
            .unwrap();
        assert_eq!(shown, [(0, 0, vec![1, 2, 3, 4]), (0, 1, vec![1, 2, 3, 4])]);
        options.indices = vec![1];
        let error = preview_policy(&images, &policy, &options, &mut |_, _, _| {}).unwrap_err();
        assert!(matches!(error, AugmentError::NoImage { index: 1, images: 1 }));
    }
}
