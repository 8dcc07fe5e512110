//! Equal images, by the SHA-256 of their bytes.

use rayon::prelude::*;
use sha2::{Digest as _, Sha256};

use super::pool::Pool;

/// The images of a pool in classes of equal ones, each in the order of the pool, the classes by their first image.
pub(super) fn equal_images(pool: &Pool<'_>) -> Vec<Vec<usize>> {
    let mut digests: Vec<([u8; 32], usize)> =
        (0..pool.len()).into_par_iter().map(|index| (Sha256::digest(pool.image(index)).into(), index)).collect();
    digests.par_sort_unstable();
    let mut classes: Vec<Vec<usize>> =
        digests.chunk_by(|a, b| a.0 == b.0).map(|equal| equal.iter().map(|&(_, index)| index).collect()).collect();
    classes.sort_unstable_by_key(|class| class[0]);
    classes
}
