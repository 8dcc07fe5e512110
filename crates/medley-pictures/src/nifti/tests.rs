use std::io::Write as _;

use proptest::prelude::*;

use super::*;
use crate::Frames;

/// A file with these axes, voxels of this type and these bytes.
fn file(axes: &[u16], kind: i16, bits: i16, data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0_u8; HEADER];
    let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    put(0, &348_i32.to_le_bytes());
    put(40, &(axes.len() as u16).to_le_bytes());
    for (axis, length) in axes.iter().enumerate() {
        put(42 + 2 * axis, &length.to_le_bytes());
    }
    put(70, &kind.to_le_bytes());
    put(72, &bits.to_le_bytes());
    put(108, &352_f32.to_le_bytes());
    put(344, b"n+1\0");
    [bytes, data.to_vec()].concat()
}

fn read(bytes: &[u8]) -> Result<Decoded, PictureError> {
    crate::decode(bytes, Frames::Volume, &Rules::default())
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn axes_come_in_their_order() {
    // The first axis is the fastest in the file; here it is the slowest.
    let data: Vec<u8> = (0..24).collect();
    let file = file(&[2, 3, 4], 2, 8, &data);
    let decoded = read(&file).unwrap();
    let expected: Vec<u8> =
        (0..2).flat_map(|i| (0..3).flat_map(move |j| (0..4).map(move |k| i + 2 * j + 6 * k))).collect();
    assert_eq!((decoded.picture.depth, decoded.picture.height, decoded.picture.width), (Some(2), 3, 4));
    assert_eq!((decoded.picture.bytes.clone(), decoded.notes.clone()), (expected, vec![]));
    assert_eq!(read(&gzipped(&file)).unwrap(), decoded);
}

#[test]
fn other_numbers_go_from_the_least_to_the_greatest() {
    let data: Vec<u8> = [-1000_i16, 0, 500, 1000].into_iter().flat_map(i16::to_le_bytes).collect();
    let decoded = read(&file(&[1, 2, 2], 4, 16, &data)).unwrap();
    assert_eq!(decoded.picture.bytes, [0, 191, 128, 255]);
    assert_eq!(decoded.notes, [Note::Range { low: -1000.0, high: 1000.0 }]);
    assert_eq!(decoded.picture.depth, None);
}

#[test]
fn what_is_no_number_is_refused() {
    let data: Vec<u8> = [1.0_f32, f32::NAN, 2.0, 3.0].into_iter().flat_map(f32::to_le_bytes).collect();
    let error = read(&file(&[4, 1, 1], 16, 32, &data)).unwrap_err();
    assert!(matches!(error, PictureError::NotFinite { index: 1, .. }), "{error}");
    let data: Vec<u8> = [f64::MAX, f64::MIN].into_iter().flat_map(f64::to_le_bytes).collect();
    assert!(read(&file(&[2, 1, 1], 64, 64, &data)).is_err());
}

#[test]
fn shapes_that_lie_take_no_memory() {
    let refused = |bytes: &[u8]| read(bytes).unwrap_err();
    let error = refused(&file(&[400, 400, 400], 2, 8, &[0; 8]));
    assert!(error.to_string().contains("its shape needs 64000352"), "{error}");
    assert!(matches!(refused(&file(&[60_000, 60_000, 60_000], 2, 8, &[0; 8])), PictureError::Edge { .. }));
    assert!(matches!(refused(&file(&[4_000, 4_000, 4_000], 2, 8, &[0; 8])), PictureError::Pixels { .. }));
    assert!(matches!(refused(&file(&[2, 2, 2, 9], 2, 8, &[0; 72])), PictureError::Unsupported { .. }));
    assert!(matches!(refused(&file(&[2, 2, 2], 128, 24, &[0; 24])), PictureError::Unsupported { .. }));
    let mut far = file(&[2, 2, 2], 2, 8, &[0; 8]);
    far[108..112].copy_from_slice(&1e30_f32.to_le_bytes());
    assert!(refused(&far).to_string().contains("begin at byte"));
    // A gzip of zeros, a thousand times as long as it says it needs.
    let bomb = gzipped(&[file(&[2, 2, 2], 2, 8, &[7; 8]), vec![0; 1 << 24]].concat());
    assert_eq!(read(&bomb).unwrap().picture.bytes, [7; 8]);
    let cut = gzipped(&file(&[20, 20, 20], 2, 8, &[7; 8_000]));
    assert!(read(&cut[..cut.len() / 2]).is_err());
}

/// There are as many bytes as the shape needs.
fn is_whole(picture: &Picture) -> bool {
    picture.bytes.len() == picture.depth.unwrap_or(1) * picture.height * picture.width * picture.channels
}

proptest! {
    #[test]
    fn no_change_makes_it_panic(at in 4_usize..352, byte: u8, end in 4_usize..400) {
        let mut bytes = file(&[2, 3, 4], 2, 8, &[7; 24]);
        bytes[at] = byte;
        prop_assert!(read(&bytes).is_err() || is_whole(&read(&bytes).unwrap().picture));
        bytes.truncate(end);
        prop_assert!(read(&bytes).is_err() || is_whole(&read(&bytes).unwrap().picture));
    }
}
