//! Whether files of two sizes are of the same rows: the same labels in the same order, and images that look alike.

use std::sync::Arc;

use medley_augment::{AugmentError, ResizeMethod, Resizer};
use medley_core::{ImageShape, ImageSource, Labels};

use crate::data::{LearningData, SplitSources};

/// The share of the images that may be more like the next row than like their own: some files have an image twice.
const MOST_UNLIKE: f64 = 0.02;

/// Why the rows of a task in one set of files are not those of another, if they are not: `here` and `there` are its number in both.
pub(super) fn problem((own, here): (&LearningData, usize), (other, there): (&LearningData, usize)) -> Option<String> {
    let splits = [
        ("training", &own.train, &other.train, &own.train_labels, &other.train_labels),
        ("validation", &own.val, &other.val, &own.val_labels, &other.val_labels),
    ];
    splits.into_iter().find_map(|(split, own, other, own_labels, other_labels)| {
        labels_problem(split, &own_labels[here], &other_labels[there])
            .or_else(|| images_problem(split, image(own, here)?, image(other, there)?))
    })
}

fn image(split: &SplitSources, task: usize) -> Option<&Arc<dyn ImageSource>> {
    split.images().nth(task)
}

fn labels_problem(split: &str, own: &Labels, other: &Labels) -> Option<String> {
    if own.rows() != other.rows() {
        return Some(format!("{} {split} images are there, and {} here", other.rows(), own.rows()));
    }
    let differs = (0..own.rows()).find(|&row| own.row(row) != other.row(row))?;
    Some(format!("{split} image {differs} (from 0) has another label there"))
}

fn images_problem(split: &str, own: &Arc<dyn ImageSource>, other: &Arc<dyn ImageSource>) -> Option<String> {
    let (here, there) = (own.shape(), other.shape());
    if here.depth.is_some() != there.depth.is_some() {
        return Some("one has volumes, and the other flat images".to_owned());
    }
    let small = if here.height <= there.height { here } else { there };
    let (Ok(mine), Ok(theirs)) = (Shrinking::new(here, small), Shrinking::new(there, small)) else {
        return Some(format!("images of {there} cannot be made as small as images of {here}, or the other way round"));
    };
    let (rows, mut told, mut unlike) = (own.len().min(other.len()), 0_usize, 0_usize);
    if rows < 2 {
        return None;
    }
    let mut same = theirs.shrink(other.image(0));
    for row in 0..rows {
        let (here, next) = (mine.shrink(own.image(row)), theirs.shrink(other.image((row + 1) % rows)));
        if let (Some(like_same), Some(like_next)) = (correlation(&here, &same), correlation(&here, &next)) {
            told += 1;
            unlike += usize::from(like_same <= like_next);
        }
        same = next;
    }
    if told == 0 {
        return Some(format!("no {split} image can be told from another, as each is all of one shade"));
    }
    (unlike as f64 > MOST_UNLIKE * told as f64)
        .then(|| format!("{unlike} of {told} {split} images are less like the same row there than like the next one"))
}

/// Makes images or volumes as small as another shape, each pixel the mean of its channels.
struct Shrinking {
    resizer: Resizer,
    channels: usize,
}

impl Shrinking {
    fn new(from: ImageShape, to: ImageShape) -> Result<Self, AugmentError> {
        let resizer =
            Resizer::new(from, ImageShape { channels: from.channels, ..to }, ResizeMethod::BilinearAntialias)?;
        Ok(Self { resizer, channels: from.channels })
    }

    fn shrink(&self, image: &[u8]) -> Vec<f32> {
        let values = self.resizer.resize_unrounded(image);
        values.chunks_exact(self.channels).map(|pixel| pixel.iter().sum::<f32>() / self.channels as f32).collect()
    }
}

/// Pearson's; `None` where one of both is all of one shade.
fn correlation(a: &[f32], b: &[f32]) -> Option<f64> {
    let mean = |values: &[f32]| values.iter().copied().map(f64::from).sum::<f64>() / values.len().max(1) as f64;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let (mut both, mut of_a, mut of_b) = (0.0, 0.0, 0.0);
    for (&a, &b) in a.iter().zip(b) {
        let (a, b) = (f64::from(a) - mean_a, f64::from(b) - mean_b);
        both += a * b;
        of_a += a * a;
        of_b += b * b;
    }
    let spread = (of_a * of_b).sqrt();
    (spread > 1e-9).then(|| both / spread)
}

#[cfg(test)]
mod tests {
    use super::*;
    use medley_core::Images;

    #[test]
    fn channels_become_their_mean() {
        let shrinking = Shrinking::new(ImageShape::flat(2, 1, 3), ImageShape::flat(2, 1, 1)).unwrap();
        let small = shrinking.shrink(&[0, 51, 102, 255, 255, 255]);
        assert!((small[0] - 0.2).abs() < 1e-6 && (small[1] - 1.0).abs() < 1e-6, "{small:?}");
    }

    #[test]
    fn a_wrong_order_is_told_by_labels_or_by_images() {
        let labels = |values: &[u16]| Labels::single(values.to_vec()).unwrap();
        assert_eq!(labels_problem("training", &labels(&[0, 1]), &labels(&[0, 1])), None);
        let problem = labels_problem("training", &labels(&[0, 1]), &labels(&[0, 0])).unwrap();
        assert!(problem.contains("training image 1 (from 0) has another label"), "{problem}");
        assert!(labels_problem("training", &labels(&[0]), &labels(&[0, 0])).unwrap().contains("2 training images"));

        // Each image has a bright square of 2x2 pixels at a place of its own, at twice the size in the other file.
        let drawn = |size: usize, order: &[usize]| -> Arc<dyn ImageSource> {
            let scale = size / 8;
            let pixel = |place: usize, at: usize| {
                let (row, column) = (at / size / scale, at % size / scale);
                u8::from(row / 2 == place / 4 && column / 2 == place % 4) * 200
            };
            let bytes = order.iter().flat_map(|&place| (0..size * size).map(move |at| pixel(place, at))).collect();
            Arc::new(Images::new(ImageShape::flat(size, size, 1), order.len(), bytes).unwrap())
        };
        let order: Vec<usize> = (0..16).collect();
        assert_eq!(images_problem("training", &drawn(8, &order), &drawn(16, &order)), None);
        assert_eq!(images_problem("training", &drawn(16, &order), &drawn(8, &order)), None);
        let moved: Vec<usize> = (0..16).map(|place| (place + 1) % 16).collect();
        let problem = images_problem("validation", &drawn(8, &moved), &drawn(16, &order)).unwrap();
        assert!(problem.contains("16 of 16 validation images"), "{problem}");
        let mut exchanged = order.clone();
        exchanged.swap(3, 4);
        assert!(
            images_problem("training", &drawn(8, &exchanged), &drawn(16, &order)).unwrap().contains("of 16 training")
        );
        let blank: Arc<dyn ImageSource> = Arc::new(Images::new(ImageShape::flat(2, 2, 1), 2, vec![7; 8]).unwrap());
        assert!(images_problem("training", &blank, &blank).unwrap().contains("all of one shade"));
        assert_eq!(images_problem("training", &drawn(8, &[]), &drawn(16, &[])), None);
        assert_eq!(images_problem("training", &drawn(8, &[3]), &drawn(16, &[3])), None);
    }
}
