//! Headers of `.npy` arrays, read with suspicion: nothing is allocated before the numbers are known to fit.
//!
//! Format: NumPy Enhancement Proposal 1. `npyz` parses headers, but multiplies shapes unchecked and trusts their lengths, so
//! both are guarded here first; orders and types that Medley does not use are refused with words that say so.

use std::io::Read;

use npyz::{DType, Endianness, NpyHeader, Order, TypeChar};

/// The largest header that is read: MedMNIST's are 128 bytes.
const MAX_HEADER: usize = 64 * 1024;
/// Arrays here have at most `[N, D, H, W, C]`.
const MAX_DIMENSIONS: usize = 5;

/// What a member holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    pub(crate) shape: Vec<usize>,
    /// Bytes of header before the data.
    pub(crate) offset: usize,
    /// Bytes of data: the product of the shape times the item size.
    pub(crate) data_len: usize,
}

/// Integers of any width; other types are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kind {
    pub(crate) signed: bool,
    pub(crate) bytes: usize,
    pub(crate) big_endian: bool,
}

impl Kind {
    /// `uint8`, the type of images.
    pub(crate) const U8: Self = Self { signed: false, bytes: 1, big_endian: false };
}

impl std::fmt::Display for Kind {
    /// As NumPy writes it: `|u1`, `<i8`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let order = match (self.bytes, self.big_endian) {
            (1, _) => '|',
            (_, true) => '>',
            (_, false) => '<',
        };
        write!(f, "{order}{}{}", if self.signed { 'i' } else { 'u' }, self.bytes)
    }
}

/// Reads the header at the front of a member.
///
/// # Errors
/// A sentence about what is wrong.
pub(crate) fn read_header(reader: &mut impl Read) -> Result<Header, String> {
    let mut start = [0; 10];
    reader.read_exact(&mut start).map_err(|error| format!("the array header cannot be read: {error}"))?;
    if &start[..6] != b"\x93NUMPY" {
        return Err("it does not start like a .npy array".into());
    }
    let mut bytes = start.to_vec();
    let (length, prefix) = match start[6] {
        1 => (usize::from(u16::from_le_bytes([start[8], start[9]])), 10),
        2 | 3 => {
            let mut more = [0; 2];
            reader.read_exact(&mut more).map_err(|error| format!("the array header cannot be read: {error}"))?;
            bytes.extend(more);
            (u32::from_le_bytes([start[8], start[9], more[0], more[1]]) as usize, 12)
        }
        version => return Err(format!("version {version} of the .npy format is not known")),
    };
    if length > MAX_HEADER {
        return Err(format!("its header claims {length} bytes, more than {MAX_HEADER}"));
    }
    reader
        .take(length as u64)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("the array header cannot be read: {error}"))?;
    if bytes.len() < prefix + length {
        return Err("its header is cut off".into());
    }
    let text = std::str::from_utf8(&bytes[prefix..]).map_err(|_| "its header is not text".to_owned())?;
    let shape = guarded_shape(text)?;
    let header = NpyHeader::from_reader(bytes.as_slice()).map_err(|error| format!("its header is broken: {error}"))?;
    let kind = kind_of(&header.dtype())?;
    if header.order() == Order::Fortran && shape.len() > 1 {
        return Err("it is stored in Fortran order; save it again with `numpy.ascontiguousarray`".into());
    }
    let data_len = shape
        .iter()
        .try_fold(kind.bytes, |product, &dimension| product.checked_mul(dimension))
        .ok_or_else(|| format!("its shape {shape:?} exceeds the address space"))?;
    Ok(Header { kind, shape, offset: prefix + length, data_len })
}

/// The shape of `{'descr': '|u1', 'fortran_order': False, 'shape': (546, 28, 28), }`, once it is known that its product
/// times the widest item fits.
fn guarded_shape(text: &str) -> Result<Vec<usize>, String> {
    let broken = || format!("its header is broken: {:?}", text.chars().take(80).collect::<String>());
    let mut parts = text.split("shape");
    let (_, Some(rest), None) = (parts.next(), parts.next(), parts.next()) else {
        return Err(broken());
    };
    let list = rest.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map(|(list, _)| list);
    let mut shape: Vec<usize> = Vec::new();
    for part in list.ok_or_else(broken)?.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        shape.push(part.parse().map_err(|_| format!("its shape has the dimension {part:?}"))?);
        if shape.len() > MAX_DIMENSIONS {
            return Err(format!("it has more than {MAX_DIMENSIONS} dimensions"));
        }
    }
    // A dimension of 0 must not hide the others: npyz multiplies from the left.
    let all = shape.iter().try_fold(8_usize, |product, &dimension| product.checked_mul(dimension.max(1)));
    if all.is_none() {
        return Err(format!("its shape {shape:?} exceeds the address space"));
    }
    Ok(shape)
}

fn kind_of(dtype: &DType) -> Result<Kind, String> {
    let DType::Plain(plain) = dtype else {
        return Err("its type is structured; plain integers are expected".to_owned());
    };
    let signed = match plain.type_char() {
        TypeChar::Uint | TypeChar::Bool => false,
        TypeChar::Int => true,
        _ => return Err(format!("its type is `{plain}`; integers (such as `|u1`) are expected")),
    };
    let bytes = plain.size_field() as usize;
    if !matches!(bytes, 1 | 2 | 4 | 8) {
        return Err(format!("its type is `{plain}`; integers (such as `|u1`) are expected"));
    }
    Ok(Kind { signed, bytes, big_endian: bytes > 1 && plain.endianness() == Endianness::Big })
}

/// Integers of any width as labels.
///
/// # Errors
/// The first value outside 0..=65535, with its position.
pub(crate) fn labels(kind: Kind, data: &[u8]) -> Result<Vec<u16>, String> {
    data.chunks_exact(kind.bytes)
        .enumerate()
        .map(|(at, chunk)| {
            let mut wide = [0; 8];
            for (i, &byte) in chunk.iter().enumerate() {
                wide[if kind.big_endian { kind.bytes - 1 - i } else { i }] = byte;
            }
            let bits = u64::from_le_bytes(wide);
            let negative = kind.signed && chunk[if kind.big_endian { 0 } else { kind.bytes - 1 }] >= 0x80;
            let value = u16::try_from(bits).ok().filter(|_| !negative);
            value.ok_or_else(|| format!("value {at} is no class index (negative, or above 65535)"))
        })
        .collect()
}

/// A header that numpy reads, for arrays that we write.
pub(crate) fn render_header(description: &str, shape: &[usize]) -> Vec<u8> {
    let dimensions: Vec<String> = shape.iter().map(ToString::to_string).collect();
    let trailing = if shape.len() == 1 { "," } else { "" };
    let mut text = format!(
        "{{'descr': '{description}', 'fortran_order': False, 'shape': ({}{trailing}), }}",
        dimensions.join(", ")
    );
    // The data starts at a multiple of 64, and the text ends with a line break: as numpy does it.
    let padding = 63 - (10 + text.len()) % 64;
    text.push_str(&" ".repeat(padding));
    text.push('\n');
    let mut header = b"\x93NUMPY\x01\x00".to_vec();
    header.extend((text.len() as u16).to_le_bytes());
    header.extend(text.bytes());
    header
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Header, String> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((text.len() as u16).to_le_bytes());
        bytes.extend(text.bytes());
        read_header(&mut bytes.as_slice())
    }

    #[test]
    fn refusals_say_what_and_what_instead() {
        for (text, part) in [
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", "type is `<f4`"),
            ("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }", "ascontiguousarray"),
            ("{'descr': '|u1', 'fortran_order': False, 'shape': (4294967296, 4294967296), }", "address space"),
            ("{'descr': '|u1', 'fortran_order': False, 'shape': (-1,), }", "dimension"),
            ("{'descr': '|u1', 'fortran_order': False, 'shape': (1,1,1,1,1,1), }", "more than 5"),
            ("{'descr': [('a', '<u1')], 'fortran_order': False, 'shape': (1,), }", "structured"),
            ("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", "type is `|O`"),
            ("nonsense", "broken"),
        ] {
            let message = read(text).unwrap_err();
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn labels_of_any_width_and_order() {
        let kind = |signed, bytes, big_endian| Kind { signed, bytes, big_endian };
        assert_eq!(labels(Kind::U8, &[0, 7]).unwrap(), [0, 7]);
        assert_eq!(labels(kind(true, 8, false), &[5, 0, 0, 0, 0, 0, 0, 0]).unwrap(), [5]);
        assert_eq!(labels(kind(false, 4, true), &[0, 0, 1, 2]).unwrap(), [258]);
        assert!(labels(kind(true, 1, false), &[0xff]).unwrap_err().contains("value 0"));
        assert!(labels(kind(false, 4, false), &[0, 0, 1, 0]).is_err());
    }

    proptest! {
        #[test]
        fn what_we_write_we_read(shape in prop::collection::vec(0_usize..1000, 1..5)) {
            let bytes = render_header("|u1", &shape);
            prop_assert_eq!(bytes.len() % 64, 0);
            let header = read_header(&mut bytes.as_slice()).unwrap();
            prop_assert_eq!(header.kind, Kind::U8);
            prop_assert_eq!(header.data_len, shape.iter().product::<usize>());
            prop_assert_eq!((header.shape, header.offset), (shape, bytes.len()));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, text in ".{0,200}") {
            let _ = read_header(&mut bytes.as_slice());
            let _ = read(&text);
        }
    }
}
