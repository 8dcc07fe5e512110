//! Statistics of images and labels: balance, means, deviations, histograms.

use std::collections::BTreeMap;

use medley_core::{CoreError, ImageSource, Labels, OpenedTask, Origin, ScoringToken, Split};
use rayon::prelude::*;
use serde::Serialize;

/// Levels of a byte.
const LEVELS: usize = 256;
/// Bins of the printed histogram.
pub const BINS: usize = 16;

/// Statistics of a set.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Statistics {
    /// Name of the set.
    pub set: String,
    /// Where it comes from.
    pub origin: Origin,
    /// Names of its classes or labels.
    pub classes: Vec<String>,
    /// Statistics by split.
    pub splits: BTreeMap<Split, SplitStatistics>,
}

/// Statistics of a split.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SplitStatistics {
    /// Number of images.
    pub images: usize,
    /// Examples per class, or how often each label is set; none where the labels are sealed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class_counts: Option<Vec<usize>>,
    /// Statistics by channel.
    pub channels: Vec<ChannelStatistics>,
}

/// Statistics of one channel of all images of a split. They are exact: computed from the counts of the 256 levels.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChannelStatistics {
    /// Mean, 0 to 1 (a byte divided by 255).
    pub mean: f64,
    /// Standard deviation over pixels (not over images' means), 0 to 1: the number by which inputs are normalised.
    pub std: f64,
    /// Darkest level, 0 to 255.
    pub min: u8,
    /// Lightest level, 0 to 255.
    pub max: u8,
    /// Pixels in sixteen bins of sixteen levels.
    pub histogram: [u64; BINS],
}

/// Statistics of a set; class counts of test only with a token.
///
/// # Errors
/// [`CoreError::WrongToken`].
pub fn statistics(task: &OpenedTask, token: Option<&ScoringToken>) -> Result<Statistics, CoreError> {
    let classes = task.spec.outputs();
    let test_labels = token.map(|token| task.test.labels.open(token)).transpose()?;
    let of = |images: &dyn ImageSource, labels: Option<&Labels>| SplitStatistics {
        images: images.len(),
        class_counts: labels.map(|labels| labels.class_counts(classes)),
        channels: level_counts(images).iter().map(channel).collect(),
    };
    let splits = BTreeMap::from([
        (Split::Train, of(&**task.train.images(), Some(task.train.labels()))),
        (Split::Val, of(&**task.val.images(), Some(task.val.labels()))),
        (Split::Test, of(&*task.test.images, test_labels)),
    ]);
    Ok(Statistics { set: task.spec.name.clone(), origin: task.spec.origin, classes: task.spec.classes.clone(), splits })
}

/// Pixels by level, for each channel.
fn level_counts(images: &dyn ImageSource) -> Vec<[u64; LEVELS]> {
    let channels = images.shape().channels;
    let empty = || vec![[0_u64; LEVELS]; channels];
    (0..images.len())
        .into_par_iter()
        .fold(empty, |mut counts, index| {
            for pixel in images.image(index).chunks_exact(channels) {
                for (counts, &value) in counts.iter_mut().zip(pixel) {
                    counts[usize::from(value)] += 1;
                }
            }
            counts
        })
        .reduce(empty, |mut sum, part| {
            for (sum, part) in sum.iter_mut().flatten().zip(part.iter().flatten()) {
                *sum += part;
            }
            sum
        })
}

fn channel(counts: &[u64; LEVELS]) -> ChannelStatistics {
    let total: u64 = counts.iter().sum();
    let of_total = |value: f64| value / total.max(1) as f64;
    let levels = || counts.iter().enumerate().map(|(level, &count)| (level as f64 / 255.0, count as f64));
    let mean = of_total(levels().map(|(level, count)| level * count).sum());
    let variance = of_total(levels().map(|(level, count)| (level - mean).powi(2) * count).sum());
    let mut histogram = [0; BINS];
    for (level, &count) in counts.iter().enumerate() {
        histogram[level * BINS / LEVELS] += count;
    }
    ChannelStatistics {
        mean,
        std: variance.sqrt(),
        min: counts.iter().position(|&count| count > 0).unwrap_or_default() as u8,
        max: counts.iter().rposition(|&count| count > 0).unwrap_or_default() as u8,
        histogram,
    }
}

#[cfg(test)]
mod tests {
    use medley_core::{ImageShape, Images};

    use super::*;

    #[test]
    fn statistics_by_hand() {
        // Two images of 1x2 pixels with two channels.
        let images = Images::new(ImageShape::flat(1, 2, 2), 2, vec![0, 255, 255, 255, 0, 255, 255, 0]).unwrap();
        let counts = level_counts(&images);
        let [one, two] = [channel(&counts[0]), channel(&counts[1])];
        assert_eq!((one.mean, one.std, one.min, one.max), (0.5, 0.5, 0, 255));
        assert_eq!((two.mean, two.histogram[0], two.histogram[15]), (0.75, 1, 3));
        assert!((two.std - 0.1875_f64.sqrt()).abs() < 1e-12);
    }
}
