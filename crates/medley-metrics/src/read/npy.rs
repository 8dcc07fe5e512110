//! Arrays as NumPy saves them (NumPy Enhancement Proposal 1), from bytes that are already in memory.

use crate::MetricError;

/// An array of numbers in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub struct NumericArray {
    /// Dimensions.
    pub shape: Vec<usize>,
    /// All values; integers beyond 2^53 lose digits.
    pub values: Vec<f64>,
}

/// Reads a `.npy` file of floats (2, 4 or 8 bytes), integers or booleans, of either byte order and memory order.
///
/// # Errors
/// What is wrong: other types, broken headers, a shape that the bytes do not fill.
pub fn parse_npy(bytes: &[u8]) -> Result<NumericArray, MetricError> {
    parse(bytes).map_err(|problem| MetricError::ResultFile { problem: format!("no usable .npy array: {problem}") })
}

fn parse(bytes: &[u8]) -> Result<NumericArray, String> {
    let rest = bytes.strip_prefix(b"\x93NUMPY").ok_or("it does not start like one")?;
    let (length, start): (usize, usize) = match rest {
        [1, _, a, b, ..] => (usize::from(u16::from_le_bytes([*a, *b])), 10),
        [2 | 3, _, a, b, c, d, ..] => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, 12),
        _ => return Err("its version is not known".into()),
    };
    let header = bytes.get(start..start.saturating_add(length)).ok_or("its header is cut off")?;
    let header = std::str::from_utf8(header).map_err(|_| "its header is not text")?;
    let data = &bytes[start + length..];
    let kind = Kind::of(value_of(header, "descr").ok_or("its header names no type")?.trim_matches(['\'', '"']))?;
    let fortran = value_of(header, "fortran_order").ok_or("its header names no order")?.starts_with("True");
    let shape = shape_of(header)?;
    let count = shape.iter().try_fold(1_usize, |product, &dimension| product.checked_mul(dimension));
    let expected = count.and_then(|count| count.checked_mul(kind.size));
    if expected != Some(data.len()) {
        return Err(format!("its shape {shape:?} does not fit its {} bytes of data", data.len()));
    }
    let mut values: Vec<f64> = data.chunks_exact(kind.size).map(|item| kind.read(item)).collect();
    if let (true, [rows, columns]) = (fortran, shape.as_slice()) {
        let stored = values.clone();
        for row in 0..*rows {
            for column in 0..*columns {
                values[row * columns + column] = stored[column * rows + row];
            }
        }
    } else if fortran && shape.len() > 2 {
        return Err("it is stored in Fortran order; save it again with `numpy.ascontiguousarray`".into());
    }
    Ok(NumericArray { shape, values })
}

/// The text after `'key':`, up to the next comma outside of parentheses.
fn value_of<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    let after = header.split_once(&format!("'{key}'"))?.1.trim_start().strip_prefix(':')?.trim_start();
    Some(after.split([',', '}']).next()?.trim())
}

fn shape_of(header: &str) -> Result<Vec<usize>, String> {
    let after = header.split_once("'shape'").map(|(_, after)| after).ok_or("its header names no shape")?;
    let list = after.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map(|(list, _)| list);
    let dimensions = list.ok_or("its shape is broken")?.split(',').map(str::trim).filter(|part| !part.is_empty());
    let shape: Result<Vec<usize>, _> = dimensions.map(str::parse).collect();
    shape
        .map_err(|_| "its shape is broken".to_owned())
        .and_then(|shape| if shape.len() > 5 { Err("it has more than 5 dimensions".into()) } else { Ok(shape) })
}

/// Type of the items.
struct Kind {
    letter: u8,
    size: usize,
    big_endian: bool,
}

impl Kind {
    fn of(description: &str) -> Result<Self, String> {
        let unusable = || format!("its type is `{description}`; floats or integers (such as `<f4`) are expected");
        let (&[order, letter], size) = description.as_bytes().split_at_checked(2).ok_or_else(unusable)? else {
            return Err(unusable());
        };
        let size: usize = std::str::from_utf8(size).ok().and_then(|size| size.parse().ok()).ok_or_else(unusable)?;
        let known = match letter {
            b'f' => matches!(size, 2 | 4 | 8),
            b'i' | b'u' => matches!(size, 1 | 2 | 4 | 8),
            b'b' => size == 1,
            _ => false,
        };
        if known { Ok(Self { letter, size, big_endian: order == b'>' }) } else { Err(unusable()) }
    }

    fn read(&self, item: &[u8]) -> f64 {
        let mut wide = [0; 8];
        for (place, &byte) in item.iter().enumerate() {
            wide[if self.big_endian { self.size - 1 - place } else { place }] = byte;
        }
        let bits = u64::from_le_bytes(wide);
        match (self.letter, self.size) {
            (b'f', 8) => f64::from_bits(bits),
            (b'f', 4) => f64::from(f32::from_bits(bits as u32)),
            (b'f', _) => half(bits as u16),
            (b'i', size) => {
                let unused = 64 - 8 * size as u32;
                ((bits << unused) as i64 >> unused) as f64
            }
            _ => bits as f64,
        }
    }
}

/// IEEE 754 binary16.
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    sign * match exponent {
        0 => fraction * 2.0_f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + fraction) * 2.0_f64.powi(exponent - 25),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn array(description: &str, fortran: &str, shape: &str, data: &[u8]) -> Result<NumericArray, String> {
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
        assert_eq!(array("<i2", "False", "(2,)", &[254, 255, 1, 0]).unwrap().values, [-2.0, 1.0]);
        assert_eq!(array(">f4", "False", "(1,)", &0.25_f32.to_be_bytes()).unwrap().values, [0.25]);
        assert_eq!(array("<f8", "False", "(1, 1)", &0.1_f64.to_le_bytes()).unwrap().values, [0.1]);
        // numpy.float16: 1.0, -0.5, the smallest subnormal.
        let halves = array("<f2", "False", "(3,)", &[0x00, 0x3c, 0x00, 0xb8, 0x01, 0x00]).unwrap().values;
        assert_eq!(halves, [1.0, -0.5, 2.0_f64.powi(-24)]);
        let turned = array("|u1", "True", "(2, 3)", &[1, 4, 2, 5, 3, 6]).unwrap();
        assert_eq!((turned.shape, turned.values), (vec![2, 3], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]));
    }

    #[test]
    fn refusals_say_why() {
        for (found, part) in [
            (array("|O", "False", "(1,)", &[0]), "type is `|O`"),
            (array("<c8", "False", "(1,)", &[0; 8]), "type is `<c8`"),
            (array("|u1", "False", "(3,)", &[0]), "does not fit its 1 bytes"),
            (array("|u1", "False", "(4294967296, 4294967296)", &[]), "does not fit"),
            (array("|u1", "False", "(-1,)", &[]), "shape is broken"),
            (parse(b"PK"), "does not start like one"),
            (parse(b"\x93NUMPY\x01\x00\xff\xff"), "cut off"),
        ] {
            let message = found.unwrap_err();
            assert!(message.contains(part), "{message}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, text in ".{0,120}", data: Vec<u8>) {
            let _ = parse(&bytes);
            let _ = array(&text, &text, &text, &data);
            let _ = array("<f4", "False", &text, &data);
        }
    }
}
