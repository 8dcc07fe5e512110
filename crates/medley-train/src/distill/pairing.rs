//! Whether files of two sizes are of the same rows: the same labels in the same order, and images that look alike.

use std::sync::Arc;

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
    let shrunk = |images: &Arc<dyn ImageSource>, row: usize, shape: ImageShape| shrink(images.image(row), shape, small);
    let (rows, mut told, mut unlike) = (own.len().min(other.len()), 0_usize, 0_usize);
    let mut theirs = if rows > 1 { shrunk(other, 0, there) } else { return None };
    for row in 0..rows {
        let (mine, next) = (shrunk(own, row, here), shrunk(other, (row + 1) % rows, there));
        if let (Some(same), Some(other)) = (correlation(&mine, &theirs), correlation(&mine, &next)) {
            told += 1;
            unlike += usize::from(same <= other);
        }
        theirs = next;
    }
    if told == 0 {
        return Some(format!("no {split} image can be told from another, as each is all of one shade"));
    }
    (unlike as f64 > MOST_UNLIKE * told as f64)
        .then(|| format!("{unlike} of {told} {split} images are less like the same row there than like the next one"))
}

/// The mean over channels of an image or volume, made as small as another shape: each of its pixels is the mean of those that it covers.
fn shrink(bytes: &[u8], from: ImageShape, to: ImageShape) -> Vec<f32> {
    let axes = |shape: ImageShape| [shape.depth.unwrap_or(1), shape.height, shape.width];
    let (from_axes, to_axes) = (axes(from), axes(to));
    let covered = |axis: usize, place: usize| {
        let (from, to) = (from_axes[axis], to_axes[axis].max(1));
        let start = place * from / to;
        start..((place + 1) * from).div_ceil(to).max(start + 1).min(from)
    };
    let mut small = Vec::with_capacity(to_axes.iter().product());
    for depth in 0..to_axes[0] {
        for row in 0..to_axes[1] {
            for column in 0..to_axes[2] {
                let (mut sum, mut count) = (0_u32, 0_u32);
                for d in covered(0, depth) {
                    for r in covered(1, row) {
                        let columns = covered(2, column);
                        let line = (d * from_axes[1] + r) * from_axes[2];
                        let part = &bytes[(line + columns.start) * from.channels..(line + columns.end) * from.channels];
                        sum += part.iter().copied().map(u32::from).sum::<u32>();
                        count += part.len() as u32;
                    }
                }
                small.push(sum as f32 / count.max(1) as f32);
            }
        }
    }
    small
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
    use proptest::prelude::*;

    #[test]
    fn pixels_are_means_of_those_that_they_cover() {
        let bytes: Vec<u8> = (0..32).collect();
        // 4x4 in two channels.
        let small = shrink(&bytes, ImageShape::flat(4, 4, 2), ImageShape::flat(2, 2, 1));
        assert_eq!(small, [5.5, 9.5, 21.5, 25.5]);
        let volume = ImageShape { depth: Some(2), ..ImageShape::flat(2, 2, 1) };
        let one = ImageShape { depth: Some(1), ..ImageShape::flat(1, 1, 3) };
        assert_eq!(shrink(&[0, 1, 2, 3, 4, 5, 6, 7], volume, one), [3.5]);
    }

    proptest! {
        #[test]
        fn an_image_of_one_shade_keeps_it(shade: u8, size in 1_usize..40, small in 1_usize..40) {
            prop_assume!(small <= size);
            let shape = ImageShape::flat(size, size, 3);
            let shrunk = shrink(&vec![shade; shape.len()], shape, ImageShape::flat(small, small, 1));
            prop_assert!(shrunk.len() == small * small && shrunk.iter().all(|&one| one == f32::from(shade)));
        }
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
