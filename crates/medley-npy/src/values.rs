//! The data of an array as numbers.

use half::f16;

use crate::header::{Header, ItemKind, ItemType, read_header};
use crate::{NpyError, header};

/// An array of numbers in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub struct NumericArray {
    /// Dimensions.
    pub shape: Vec<usize>,
    /// All values; integers beyond 2^53 lose digits.
    pub values: Vec<f64>,
}

/// Reads a whole `.npy` file: integers, booleans and floats of 2, 4 or 8 bytes, of either byte order and memory order.
///
/// # Errors
/// As [`read_header`], and [`NpyError::DataLength`].
pub fn parse(bytes: &[u8]) -> Result<NumericArray, NpyError> {
    let mut data = bytes;
    let Header { item, shape, fortran_order, data_len, .. } = read_header(&mut data)?;
    if data.len() != data_len {
        return Err(NpyError::DataLength { shape, needed: data_len, actual: data.len() });
    }
    let mut values: Vec<f64> = numbers(item, data).collect();
    if fortran_order {
        values = row_major(&shape, &values);
    }
    Ok(NumericArray { shape, values })
}

/// The items of an array as they are stored, as numbers; integers beyond 2^53 lose digits.
pub fn numbers(item: ItemType, data: &[u8]) -> impl Iterator<Item = f64> + '_ {
    data.chunks_exact(item.bytes).map(move |bytes| number(item, bytes))
}

/// Integers of any width as labels.
///
/// # Errors
/// [`NpyError::Type`] for floats, [`NpyError::ClassIndex`] for the first value outside 0 to 65535.
pub fn class_indices(item: ItemType, data: &[u8]) -> Result<Vec<u16>, NpyError> {
    let signed = match item.kind {
        ItemKind::Float => return Err(header::no_integers(item)),
        kind => kind == ItemKind::Signed,
    };
    let index = |(position, bytes): (usize, &[u8])| {
        let bits = little_endian(item, bytes);
        let negative = signed && bits >> (8 * item.bytes - 1) & 1 == 1;
        u16::try_from(bits).ok().filter(|_| !negative).ok_or(NpyError::ClassIndex(position))
    };
    data.chunks_exact(item.bytes).enumerate().map(index).collect()
}

/// The bytes of an item as the low bytes of a number.
fn little_endian(item: ItemType, bytes: &[u8]) -> u64 {
    let next = |bits: u64, &byte: &u8| bits << 8 | u64::from(byte);
    if item.big_endian { bytes.iter().fold(0, next) } else { bytes.iter().rev().fold(0, next) }
}

fn number(item: ItemType, bytes: &[u8]) -> f64 {
    let bits = little_endian(item, bytes);
    match (item.kind, item.bytes) {
        (ItemKind::Float, 8) => f64::from_bits(bits),
        (ItemKind::Float, 4) => f64::from(f32::from_bits(bits as u32)),
        (ItemKind::Float, _) => f16::from_bits(bits as u16).to_f64(),
        (ItemKind::Signed, bytes) => {
            let unused = 64 - 8 * bytes as u32;
            ((bits << unused) as i64 >> unused) as f64
        }
        (ItemKind::Unsigned, _) => bits as f64,
    }
}

/// Values stored with the first dimension fastest, in the order with the last dimension fastest.
fn row_major(shape: &[usize], stored: &[f64]) -> Vec<f64> {
    let position = |mut row_major: usize| {
        let (mut position, mut stride) = (0, stored.len());
        for &dimension in shape.iter().rev() {
            stride /= dimension;
            position += row_major % dimension * stride;
            row_major /= dimension;
        }
        position
    };
    (0..stored.len()).map(|index| stored[position(index)]).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn array(description: &str, fortran: &str, shape: &str, data: &[u8]) -> Result<NumericArray, NpyError> {
        let header = format!("{{'descr': '{description}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n");
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.bytes());
        bytes.extend(data);
        parse(&bytes)
    }

    #[test]
    fn types_and_orders() {
        assert_eq!(array("|u1", "False", "(2,)", &[7, 255]).unwrap().values, [7.0, 255.0]);
        assert_eq!(array("|b1", "False", "(2,)", &[0, 1]).unwrap().values, [0.0, 1.0]);
        assert_eq!(array("<i2", "False", "(2,)", &[254, 255, 1, 0]).unwrap().values, [-2.0, 1.0]);
        assert_eq!(array(">f4", "False", "(1,)", &0.25_f32.to_be_bytes()).unwrap().values, [0.25]);
        assert_eq!(array("<f8", "False", "(1, 1)", &0.1_f64.to_le_bytes()).unwrap().values, [0.1]);
        // numpy.float16: 1.0, -0.5, the smallest subnormal.
        let halves = array("<f2", "False", "(3,)", &[0x00, 0x3c, 0x00, 0xb8, 0x01, 0x00]).unwrap().values;
        assert_eq!(halves, [1.0, -0.5, 2.0_f64.powi(-24)]);
        let turned = array("|u1", "True", "(2, 3)", &[1, 4, 2, 5, 3, 6]).unwrap();
        assert_eq!((turned.shape, turned.values), (vec![2, 3], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]));
        // numpy.arange(8).reshape(2, 2, 2).tobytes("F")
        let cube = array("|u1", "True", "(2, 2, 2)", &[0, 4, 2, 6, 1, 5, 3, 7]).unwrap();
        assert_eq!(cube.values, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
        assert!(array("|u1", "True", "(0, 2)", &[]).unwrap().values.is_empty());
    }

    #[test]
    fn refusals_say_why() {
        for (found, part) in [
            (array("|O", "False", "(1,)", &[0]), "type is `|O`"),
            (array("<c8", "False", "(1,)", &[0; 8]), "type is `<c8`"),
            (array("|u1", "False", "(3,)", &[0]), "needs 3 bytes of data, but it has 1"),
            (array("|u1", "False", "(4294967296, 4294967296)", &[]), "address space"),
            (array("|u1", "False", "(-1,)", &[]), "dimension"),
            (parse(b"PK\x03\x04\x00\x00\x00\x00\x00\x00"), "is not a .npy array"),
            (parse(b"\x93NUMPY\x01\x00\xff\xff"), "truncated"),
        ] {
            let message = found.unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn labels_of_any_width_and_order() {
        let item = |kind, bytes, big_endian| ItemType { kind, bytes, big_endian };
        assert_eq!(class_indices(ItemType::U8, &[0, 7]).unwrap(), [0, 7]);
        assert_eq!(class_indices(item(ItemKind::Signed, 8, false), &[5, 0, 0, 0, 0, 0, 0, 0]).unwrap(), [5]);
        assert_eq!(class_indices(item(ItemKind::Unsigned, 4, true), &[0, 0, 1, 2]).unwrap(), [258]);
        for (item, data) in [
            (item(ItemKind::Signed, 1, false), &[0xff][..]),
            (item(ItemKind::Signed, 2, true), &[0xff, 0]),
            (item(ItemKind::Unsigned, 4, false), &[0, 0, 1, 0]),
        ] {
            assert!(matches!(class_indices(item, data), Err(NpyError::ClassIndex(0))), "{item}");
        }
        assert!(matches!(class_indices(item(ItemKind::Float, 4, false), &[0; 4]), Err(NpyError::Type { .. })));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, text in ".{0,120}", data: Vec<u8>) {
            let _ = parse(&bytes);
            let _ = array(&text, &text, &text, &data);
            let _ = array("<f4", "True", &text, &data);
        }
    }
}
