//! Images as stored: bytes, one image after another.

use std::fmt;
use std::sync::Arc;

use crate::{CoreError, ImageShape};

/// Random access to images of one shape. Implemented by [`Images`] in memory and by memory-mapped caches.
///
/// Reading is infallible by design: whoever opens a source checks its size first.
pub trait ImageSource: Send + Sync {
    /// Shape of every image.
    fn shape(&self) -> ImageShape;

    /// Number of images.
    fn len(&self) -> usize;

    /// The bytes of one image, `[H, W, C]` or `[D, H, W, C]` in row-major order, 0-255.
    ///
    /// # Panics
    /// If `index >= len()`, like indexing a slice.
    fn image(&self, index: usize) -> &[u8];

    /// Whether there are no images.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Images held in memory, `[N, H, W, C]` or `[N, D, H, W, C]` u8. Cloning shares the buffer.
#[derive(Clone, PartialEq, Eq)]
pub struct Images {
    shape: ImageShape,
    len: usize,
    bytes: Arc<Vec<u8>>,
}

impl Images {
    /// Takes a buffer that holds exactly `len` images.
    ///
    /// # Errors
    /// [`CoreError::ImageOverflow`] or [`CoreError::ImageBytes`] when the buffer has another size.
    pub fn new(shape: ImageShape, len: usize, bytes: Vec<u8>) -> Result<Self, CoreError> {
        let expected = shape
            .checked_len()
            .and_then(|one| one.checked_mul(len))
            .ok_or_else(|| CoreError::ImageOverflow { images: len, shape: shape.to_string() })?;
        if bytes.len() != expected {
            return Err(CoreError::ImageBytes { actual: bytes.len(), expected, images: len, shape: shape.to_string() });
        }
        Ok(Self { shape, len, bytes: Arc::new(bytes) })
    }

    /// All bytes, images one after another.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl ImageSource for Images {
    fn shape(&self) -> ImageShape {
        self.shape
    }

    fn len(&self) -> usize {
        self.len
    }

    fn image(&self, index: usize) -> &[u8] {
        let size = self.shape.len();
        &self.bytes[index * size..(index + 1) * size]
    }
}

impl fmt::Debug for Images {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Images({} of {})", self.len, self.shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_cut_at_the_right_places() {
        let images = Images::new(ImageShape::flat(1, 2, 1), 3, vec![0, 1, 2, 3, 4, 5]).unwrap();
        assert_eq!(images.image(2), &[4, 5]);
        assert_eq!(images.image(0), &[0, 1]);
    }

    #[test]
    fn sizes_that_lie_are_refused() {
        let shape = ImageShape::flat(2, 2, 1);
        assert!(matches!(Images::new(shape, 2, vec![0; 7]), Err(CoreError::ImageBytes { expected: 8, .. })));
        assert!(matches!(Images::new(shape, usize::MAX, vec![]), Err(CoreError::ImageOverflow { .. })));
    }
}
