//! From bytes to numbers a network likes.

use medley_core::ImageSource;

/// Smallest deviation that is divided by: half a grey level. Constant images come out as zeros.
const STD_FLOOR: f64 = 0.5 / 255.0;

/// Per channel: subtract the mean, divide by the standard deviation.
#[derive(Debug, Clone, PartialEq)]
pub struct Normalisation {
    /// Per channel, with 255 as 1.
    pub mean: Vec<f32>,
    /// Per channel, with 255 as 1; positive.
    pub std: Vec<f32>,
}

impl Normalisation {
    /// Mean and population standard deviation of every channel over all pixels of all images. Sums are exact integers, so
    /// the result does not depend on any order. Measure training images only.
    ///
    /// Deviations below half a grey level (constant images), and sets without images, give a std of that half level.
    pub fn measure(images: &dyn ImageSource) -> Self {
        let channels = images.shape().channels.max(1);
        let mut sums = vec![(0_u64, 0_u64); channels];
        for index in 0..images.len() {
            for pixel in images.image(index).chunks_exact(channels) {
                for (sum, &byte) in sums.iter_mut().zip(pixel) {
                    sum.0 += u64::from(byte);
                    sum.1 += u64::from(byte) * u64::from(byte);
                }
            }
        }
        let pixels = (images.len() * images.shape().len() / channels).max(1);
        let (mut mean, mut std) = (Vec::new(), Vec::new());
        for (sum, squares) in sums {
            // n * squares - sum^2 is exact in 128 bits, so there is no cancellation.
            let n = pixels as u128;
            let variance = (n * u128::from(squares) - u128::from(sum) * u128::from(sum)) as f64 / (n * n) as f64;
            mean.push((sum as f64 / pixels as f64 / 255.0) as f32);
            std.push((variance.sqrt() / 255.0).max(STD_FLOOR) as f32);
        }
        Self { mean, std }
    }

    /// The benchmark's own: mean 0.5, standard deviation 0.5, which maps bytes to -1..1.
    pub fn half(channels: usize) -> Self {
        Self { mean: vec![0.5; channels], std: vec![0.5; channels] }
    }
}

/// A normalisation, ready: `value * scale + bias` per channel, and the same for each byte.
#[derive(Debug, Clone)]
pub(crate) struct Normaliser {
    pub(crate) scale: Vec<f32>,
    pub(crate) bias: Vec<f32>,
    tables: Vec<[f32; 256]>,
}

impl Normaliser {
    /// Whether `normalisation` fits the channels is checked here; the message says what does not.
    pub(crate) fn new(normalisation: &Normalisation, channels: usize) -> Result<Self, String> {
        let Normalisation { mean, std } = normalisation;
        if mean.len() != channels || std.len() != channels {
            return Err(format!("{} means and {} deviations", mean.len(), std.len()));
        }
        if let Some(bad) = mean.iter().find(|mean| !mean.is_finite()) {
            return Err(format!("a mean is {bad}"));
        }
        if let Some(bad) = std.iter().find(|std| !std.is_finite() || **std <= 0.0 || !std.recip().is_finite()) {
            return Err(format!("a deviation is {bad}"));
        }
        let scale: Vec<f32> = std.iter().map(|std| std.recip()).collect();
        let bias: Vec<f32> = mean.iter().zip(&scale).map(|(mean, scale)| -mean * scale).collect();
        let tables = (scale.iter().zip(&bias))
            .map(|(scale, bias)| std::array::from_fn(|byte| unit(byte as u8) * scale + bias))
            .collect();
        Ok(Self { scale, bias, tables })
    }

    /// Bytes `[.., C]` to normalised values `[.., out channels]`; grey is replicated.
    pub(crate) fn bytes(&self, bytes: &[u8], out: &mut [f32], out_channels: usize) {
        match (self.tables.as_slice(), out_channels) {
            ([grey], 1) => out.iter_mut().zip(bytes).for_each(|(out, &byte)| *out = grey[usize::from(byte)]),
            ([grey], 3) => {
                for (out, &byte) in out.chunks_exact_mut(3).zip(bytes) {
                    let value = grey[usize::from(byte)];
                    out[0] = value;
                    out[1] = value;
                    out[2] = value;
                }
            }
            ([grey], channels) => {
                for (out, &byte) in out.chunks_exact_mut(channels).zip(bytes) {
                    out.fill(grey[usize::from(byte)]);
                }
            }
            ([red, green, blue], _) => {
                for (out, rgb) in out.chunks_exact_mut(3).zip(bytes.chunks_exact(3)) {
                    out[0] = red[usize::from(rgb[0])];
                    out[1] = green[usize::from(rgb[1])];
                    out[2] = blue[usize::from(rgb[2])];
                }
            }
            (tables, channels) => {
                for (out, pixel) in out.chunks_exact_mut(channels).zip(bytes.chunks_exact(channels)) {
                    for ((out, &byte), table) in out.iter_mut().zip(pixel).zip(tables) {
                        *out = table[usize::from(byte)];
                    }
                }
            }
        }
    }

    /// Planes `[C, ..]` in 0-1 to normalised values `[.., out channels]`; grey is replicated.
    pub(crate) fn planes(&self, planes: &[f32], out: &mut [f32], out_channels: usize) {
        let area = planes.len() / self.scale.len();
        let (scale, bias) = (&self.scale, &self.bias);
        match (scale.len(), out_channels) {
            (1, 1) => out.iter_mut().zip(planes).for_each(|(out, value)| *out = value * scale[0] + bias[0]),
            (1, 3) => {
                for (out, value) in out.chunks_exact_mut(3).zip(planes) {
                    let value = value * scale[0] + bias[0];
                    out[0] = value;
                    out[1] = value;
                    out[2] = value;
                }
            }
            (1, channels) => {
                for (out, value) in out.chunks_exact_mut(channels).zip(planes) {
                    out.fill(value * scale[0] + bias[0]);
                }
            }
            (3, _) => {
                let (red, rest) = planes.split_at(area);
                let (green, blue) = rest.split_at(area);
                for (((out, red), green), blue) in out.chunks_exact_mut(3).zip(red).zip(green).zip(blue) {
                    out[0] = red * scale[0] + bias[0];
                    out[1] = green * scale[1] + bias[1];
                    out[2] = blue * scale[2] + bias[2];
                }
            }
            (_, channels) => {
                for (channel, plane) in planes.chunks_exact(area).enumerate() {
                    for (out, value) in out.iter_mut().skip(channel).step_by(channels).zip(plane) {
                        *out = value * scale[channel] + bias[channel];
                    }
                }
            }
        }
    }
}

/// A byte in 0-1.
#[inline]
pub(crate) fn unit(byte: u8) -> f32 {
    f32::from(byte) * (1.0 / 255.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use medley_core::{ImageShape, Images};
    use proptest::prelude::*;

    #[test]
    fn measures_each_channel_exactly() {
        let images = Images::new(ImageShape::flat(1, 2, 2), 2, vec![0, 10, 255, 20, 0, 30, 255, 40]).unwrap();
        let found = Normalisation::measure(&images);
        assert_eq!(found.mean, [0.5, 25.0 / 255.0]);
        assert_eq!(found.std, [0.5, (125.0_f64.sqrt() / 255.0) as f32]);
    }

    #[test]
    fn constant_and_missing_images_do_not_divide_by_zero() {
        for (count, byte) in [(3, 9_u8), (0, 0)] {
            let images = Images::new(ImageShape::flat(2, 2, 1), count, vec![byte; 4 * count]).unwrap();
            let normaliser = Normaliser::new(&Normalisation::measure(&images), 1).unwrap();
            let mut out = [f32::NAN];
            normaliser.bytes(&[byte], &mut out, 1);
            assert!(out[0].abs() < 1e-4, "{out:?}");
        }
    }

    #[test]
    fn white_is_one() {
        assert_eq!(unit(255), 1.0);
    }

    #[test]
    fn bad_normalisations_are_refused() {
        let bad = |mean: &[f32], std: &[f32]| {
            Normaliser::new(&Normalisation { mean: mean.to_vec(), std: std.to_vec() }, 1).unwrap_err()
        };
        assert_eq!(bad(&[0.0], &[0.0]), "a deviation is 0");
        assert_eq!(bad(&[0.0], &[f32::NAN]), "a deviation is NaN");
        assert_eq!(bad(&[f32::INFINITY], &[1.0]), "a mean is inf");
        assert_eq!(bad(&[0.0, 0.0], &[1.0]), "2 means and 1 deviations");
    }

    proptest! {
        #[test]
        fn both_ways_give_the_same_bits(
            channels in 1_usize..5,
            pixels in proptest::collection::vec(any::<u8>(), 60),
            mean in 0.0_f32..1.0,
            std in 0.01_f32..1.0,
        ) {
            let normalisation = Normalisation { mean: vec![mean; channels], std: vec![std; channels] };
            let normaliser = Normaliser::new(&normalisation, channels).unwrap();
            let area = pixels.len() / channels;
            let planes: Vec<f32> =
                (0..channels).flat_map(|c| (0..area).map(move |i| (c, i))).map(|(c, i)| unit(pixels[i * channels + c])).collect();
            for out_channels in if channels == 1 { vec![1, 3] } else { vec![channels] } {
                let (mut a, mut b) = (vec![0.0; area * out_channels], vec![0.0; area * out_channels]);
                normaliser.bytes(&pixels, &mut a, out_channels);
                normaliser.planes(&planes, &mut b, out_channels);
                prop_assert_eq!(a, b);
            }
        }
    }
}
