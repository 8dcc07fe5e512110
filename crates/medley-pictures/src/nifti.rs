//! NIfTI-1 volumes, in one file, also gzipped.
//!
//! `[D, H, W]` are the three axes of the array in their order, as nibabel gives them; its affine is not applied. Bytes that are not
//! rescaled stay as they are, other values go from the least to the greatest to 0 to 255.

use std::io::Read as _;

use flate2::bufread::MultiGzDecoder;
use nifti::{InMemNiftiVolume, NiftiHeader, NiftiType, RandomAccessNiftiVolume as _};

use crate::raster::{MAX_ASIDE, check_pixels};
use crate::{Decoded, Note, Picture, PictureError, Rules};

/// Length of the header, with the four bytes that say whether there are extensions.
const HEADER: usize = 352;

/// What to do with what is not decoded.
const CONVERT: &str = "save it as one .nii of numbers, such as with nibabel";

fn broken(problem: impl Into<String>) -> PictureError {
    PictureError::Broken(format!("NIfTI: {}", problem.into()))
}

pub(crate) fn is_nifti(bytes: &[u8]) -> bool {
    let begins = |start: &[u8]| {
        let size = start.get(..4).and_then(|size| size.try_into().ok()).map(i32::from_le_bytes);
        let sizes = [348, 540];
        size.is_some_and(|size| sizes.contains(&size) || sizes.contains(&size.swap_bytes()))
    };
    if !bytes.starts_with(b"\x1f\x8b") {
        return begins(bytes);
    }
    let mut start = [0; 4];
    MultiGzDecoder::new(bytes).read_exact(&mut start).is_ok() && begins(&start)
}

/// So many bytes of a file, unpacked; fewer if there are no more.
fn unpacked(bytes: &[u8], most: u64) -> Result<Vec<u8>, PictureError> {
    let mut unpacked = Vec::new();
    let read = if bytes.starts_with(b"\x1f\x8b") {
        MultiGzDecoder::new(bytes).take(most).read_to_end(&mut unpacked)
    } else {
        bytes.take(most).read_to_end(&mut unpacked)
    };
    read.map(|_| unpacked).map_err(|error| broken(error.to_string()))
}

pub(crate) fn decode(bytes: &[u8], rules: &Rules) -> Result<Decoded, PictureError> {
    let start = unpacked(bytes, HEADER as u64)?;
    if matches!(start.get(..4), Some([0x1c, 2, 0, 0] | [0, 0, 2, 0x1c])) {
        return Err(PictureError::Unsupported { what: "NIfTI-2".to_owned(), instead: CONVERT });
    }
    let header = NiftiHeader::from_reader(start.as_slice()).map_err(|error| broken(error.to_string()))?;
    if &header.magic != b"n+1\0" {
        let what = "a header whose voxels lie in another file".to_owned();
        return Err(PictureError::Unsupported { what, instead: CONVERT });
    }
    let shape = shape(&header)?;
    let [depth, height, width] = shape;
    check_pixels((u32::from(width), u32::from(height)), u64::from(depth), rules)?;
    let kind = header.data_type().map_err(|error| broken(error.to_string()))?;
    let size = size_of(kind).ok_or_else(|| PictureError::Unsupported {
        what: format!("NIfTI with voxels of type {kind:?}"),
        instead: CONVERT,
    })?;
    let voxels = usize::from(depth) * usize::from(height) * usize::from(width);
    let offset = header.vox_offset;
    if !(HEADER as f32..=MAX_ASIDE as f32).contains(&offset) {
        return Err(broken(format!("its voxels begin at byte {offset}")));
    }
    let (offset, length) = (offset as usize, voxels * size);
    let _held = rules.budget.hold(2 * length as u64 + 10 * voxels as u64);
    let mut data = unpacked(bytes, (offset + length) as u64)?;
    if data.len() < offset + length {
        return Err(broken(format!("it has {} bytes, where its shape needs {}", data.len(), offset + length)));
    }
    let plain = kind == NiftiType::Uint8 && matches!((header.scl_slope, header.scl_inter), (0.0, _) | (1.0, 0.0));
    let values = values(&header, data.split_off(offset), shape, kind)?;
    let (bytes, notes) = bytes_of(&values, plain)?;
    // Flat pictures are saved with a third axis of 1 or without one.
    let (depth, [height, width]) = match shape.map(usize::from) {
        [1, height, width] | [height, width, 1] => (None, [height, width]),
        [depth, height, width] => (Some(depth), [height, width]),
    };
    Ok(Decoded { picture: Picture { depth, height, width, channels: 1, bytes }, notes })
}

/// Three axes; further ones must have a length of 1.
fn shape(header: &NiftiHeader) -> Result<[u16; 3], PictureError> {
    let axes = header.dim().map_err(|error| broken(error.to_string()))?;
    if axes.len() < 2 || axes.iter().skip(3).any(|&length| length != 1) {
        let what = format!("NIfTI with axes {axes:?}");
        return Err(PictureError::Unsupported { what, instead: "save one volume of three axes" });
    }
    Ok([0, 1, 2].map(|axis| axes.get(axis).copied().unwrap_or(1)))
}

fn size_of(kind: NiftiType) -> Option<usize> {
    match kind {
        NiftiType::Uint8 | NiftiType::Int8 => Some(1),
        NiftiType::Int16 | NiftiType::Uint16 => Some(2),
        NiftiType::Int32 | NiftiType::Uint32 | NiftiType::Float32 => Some(4),
        NiftiType::Int64 | NiftiType::Uint64 | NiftiType::Float64 => Some(8),
        _ => None,
    }
}

/// All values, rescaled, the last axis fastest; all finite.
fn values(header: &NiftiHeader, data: Vec<u8>, shape: [u16; 3], kind: NiftiType) -> Result<Vec<f64>, PictureError> {
    let [depth, height, width] = shape;
    let mut axes = [1; 8];
    axes[0] = 3;
    axes[1..4].copy_from_slice(&shape);
    let (slope, inter) = (header.scl_slope, header.scl_inter);
    let volume = InMemNiftiVolume::from_raw_fields(axes, kind, slope, inter, data, header.endianness);
    let volume = volume.map_err(|error| broken(error.to_string()))?;
    let mut values = Vec::with_capacity(usize::from(depth) * usize::from(height) * usize::from(width));
    for slice in 0..depth {
        for row in 0..height {
            for column in 0..width {
                let value = volume.get_f64(&[slice, row, column]).map_err(|error| broken(error.to_string()))?;
                if !value.is_finite() {
                    return Err(PictureError::NotFinite { index: values.len(), value });
                }
                values.push(value);
            }
        }
    }
    Ok(values)
}

fn bytes_of(values: &[f64], plain: bool) -> Result<(Vec<u8>, Vec<Note>), PictureError> {
    if plain {
        return Ok((values.iter().map(|&value| value as u8).collect(), Vec::new()));
    }
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let span = if high > low { high - low } else { 1.0 };
    if !span.is_finite() {
        return Err(broken(format!("its values go from {low} to {high}")));
    }
    let bytes = values.iter().map(|value| ((value - low) / span * 255.0).round() as u8).collect();
    Ok((bytes, Note::range(low, high).into_iter().collect()))
}

#[cfg(test)]
mod tests;
