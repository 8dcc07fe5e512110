//! From the float buffers of the batch assembler to tensors.

use tch::Tensor;

use crate::ModelError;

/// Pixels `[N, H, W, C]` in row-major order to images `[N, C, H, W]` f32 on the CPU, channels last in memory. The buffer is
/// copied once; the change of axes is a view.
///
/// # Errors
/// [`ModelError::Input`] when the buffer has another length; [`ModelError::Torch`] when memory runs out.
pub fn image_batch(pixels: &[f32], n: i64, h: i64, w: i64, c: i64) -> Result<Tensor, ModelError> {
    check_length(pixels, &[n, h, w, c])?;
    Ok(Tensor::f_from_slice(pixels)?.f_view([n, h, w, c])?.f_permute([0, 3, 1, 2])?)
}

/// Voxels `[N, D, H, W, C]` in row-major order to volumes `[N, C, D, H, W]` f32 on the CPU, as [`image_batch`].
///
/// # Errors
/// As [`image_batch`].
#[allow(clippy::many_single_char_names, reason = "the names of the axes")]
pub fn volume_batch(voxels: &[f32], n: i64, d: i64, h: i64, w: i64, c: i64) -> Result<Tensor, ModelError> {
    check_length(voxels, &[n, d, h, w, c])?;
    Ok(Tensor::f_from_slice(voxels)?.f_view([n, d, h, w, c])?.f_permute([0, 4, 1, 2, 3])?)
}

fn check_length(values: &[f32], shape: &[i64]) -> Result<(), ModelError> {
    let expected = shape
        .iter()
        .try_fold(1_usize, |product, &side| usize::try_from(side).ok().and_then(|side| product.checked_mul(side)));
    if expected == Some(values.len()) {
        Ok(())
    } else {
        Err(ModelError::Input {
            what: "the pixel buffer has length",
            actual: values.len().to_string(),
            expected: format!("the product of {shape:?}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_are_moved_not_mixed() {
        let pixels: Vec<f32> = (0..2 * 3 * 4 * 2).map(|index| index as f32).collect();
        let images = image_batch(&pixels, 2, 3, 4, 2).unwrap();
        assert_eq!(images.size(), [2, 2, 3, 4]);
        assert_eq!(images.stride(), [24, 1, 8, 2]);
        // n = 1, c = 1, h = 2, w = 3 lies at ((1 * 3 + 2) * 4 + 3) * 2 + 1.
        assert_eq!(images.double_value(&[1, 1, 2, 3]), 47.0);
        let volumes = volume_batch(&pixels, 1, 2, 3, 4, 2).unwrap();
        assert_eq!(volumes.size(), [1, 2, 2, 3, 4]);
        assert_eq!(volumes.double_value(&[0, 1, 1, 2, 3]), 47.0);
    }

    #[test]
    fn wrong_lengths_are_refused() {
        for (n, h) in [(2, 4), (-2, -3), (i64::MAX, i64::MAX)] {
            assert!(matches!(image_batch(&[0.0; 48], n, h, 4, 2), Err(ModelError::Input { .. })));
        }
    }
}
