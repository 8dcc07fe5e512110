//! Headers, read with suspicion: nothing is allocated before the numbers are known to fit.

use std::io::Read;

use npyz::{DType, Endianness, NpyHeader, Order, TypeChar};

use crate::NpyError;

/// The largest header that is read: MedMNIST's are 128 bytes.
const MAX_HEADER: usize = 64 * 1024;
/// Arrays here have at most `[N, D, H, W, C]`.
const MAX_DIMENSIONS: usize = 5;

/// What an array holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Type of its items.
    pub item: ItemType,
    /// Dimensions, at most five.
    pub shape: Vec<usize>,
    /// Whether it is stored with the first dimension fastest; never so with fewer than two dimensions.
    pub fortran_order: bool,
    /// Bytes of header before the data.
    pub offset: usize,
    /// Bytes of data: the product of the shape times the item size.
    pub data_len: usize,
}

/// Type of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ItemType {
    /// Integer or float.
    pub kind: ItemKind,
    /// 1, 2, 4 or 8; floats have at least 2.
    pub bytes: usize,
    /// Byte order; false for single bytes.
    pub big_endian: bool,
}

/// Kinds of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemKind {
    /// Unsigned integers, and booleans.
    Unsigned,
    /// Integers in two's complement.
    Signed,
    /// IEEE 754.
    Float,
}

impl ItemType {
    /// `uint8`, the type of images.
    pub const U8: Self = Self { kind: ItemKind::Unsigned, bytes: 1, big_endian: false };
}

impl std::fmt::Display for ItemType {
    /// As NumPy writes it: `|u1`, `<i8`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let order = match (self.bytes, self.big_endian) {
            (1, _) => '|',
            (_, true) => '>',
            (_, false) => '<',
        };
        let kind = match self.kind {
            ItemKind::Unsigned => 'u',
            ItemKind::Signed => 'i',
            ItemKind::Float => 'f',
        };
        write!(f, "{order}{kind}{}", self.bytes)
    }
}

impl Header {
    /// Refuses floats and arrays in Fortran order: what is left is an array of integers in row-major order.
    ///
    /// # Errors
    /// [`NpyError::Type`], [`NpyError::FortranOrder`].
    pub fn require_row_major_integers(self) -> Result<Self, NpyError> {
        if self.item.kind == ItemKind::Float {
            return Err(no_integers(self.item));
        }
        if self.fortran_order { Err(NpyError::FortranOrder) } else { Ok(self) }
    }
}

/// The error for floats where integers are expected.
pub(crate) fn no_integers(item: ItemType) -> NpyError {
    NpyError::Type { found: format!("`{item}`"), expected: "integers (such as `|u1`)" }
}

/// Reads the header at the front of an array, and leaves the reader at its data.
///
/// # Errors
/// [`NpyError`]: what is wrong with it.
pub fn read_header(reader: &mut impl Read) -> Result<Header, NpyError> {
    let mut start = [0; 10];
    reader.read_exact(&mut start).map_err(NpyError::Read)?;
    if &start[..6] != b"\x93NUMPY" {
        return Err(NpyError::NotNpy);
    }
    let mut bytes = start.to_vec();
    let (length, prefix) = match start[6] {
        1 => (usize::from(u16::from_le_bytes([start[8], start[9]])), 10),
        2 | 3 => {
            let mut more = [0; 2];
            reader.read_exact(&mut more).map_err(NpyError::Read)?;
            bytes.extend(more);
            (u32::from_le_bytes([start[8], start[9], more[0], more[1]]) as usize, 12)
        }
        version => return Err(NpyError::Version(version)),
    };
    if length > MAX_HEADER {
        return Err(NpyError::HeaderLength { length, most: MAX_HEADER });
    }
    reader.take(length as u64).read_to_end(&mut bytes).map_err(NpyError::Read)?;
    if bytes.len() < prefix + length {
        return Err(NpyError::HeaderCutOff);
    }
    let text = std::str::from_utf8(&bytes[prefix..]).map_err(|_| NpyError::Header("it is not text".to_owned()))?;
    let shape = guarded_shape(text)?;
    let header = NpyHeader::from_reader(bytes.as_slice()).map_err(|error| NpyError::Header(error.to_string()))?;
    let item = item_type(&header.dtype())?;
    let product = shape.iter().try_fold(item.bytes, |product, &dimension| product.checked_mul(dimension));
    let data_len = product.ok_or_else(|| NpyError::ShapeOverflow(shape.clone()))?;
    let fortran_order = header.order() == Order::Fortran && shape.len() > 1;
    Ok(Header { item, shape, fortran_order, offset: prefix + length, data_len })
}

/// The shape of `{'descr': '|u1', 'fortran_order': False, 'shape': (546, 28, 28), }`, once it is known that its product
/// times the widest item fits.
fn guarded_shape(text: &str) -> Result<Vec<usize>, NpyError> {
    let broken = || NpyError::Header(format!("{:?}", text.chars().take(80).collect::<String>()));
    let mut parts = text.split("shape");
    let (_, Some(rest), None) = (parts.next(), parts.next(), parts.next()) else {
        return Err(broken());
    };
    let list = rest.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map(|(list, _)| list);
    let mut shape: Vec<usize> = Vec::new();
    for part in list.ok_or_else(broken)?.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        shape.push(part.parse().map_err(|_| NpyError::Dimension(part.to_owned()))?);
        if shape.len() > MAX_DIMENSIONS {
            return Err(NpyError::Dimensions(MAX_DIMENSIONS));
        }
    }
    // A dimension of 0 must not hide the others: npyz multiplies from the left.
    let all = shape.iter().try_fold(8_usize, |product, &dimension| product.checked_mul(dimension.max(1)));
    if all.is_some() { Ok(shape) } else { Err(NpyError::ShapeOverflow(shape)) }
}

fn item_type(dtype: &DType) -> Result<ItemType, NpyError> {
    let refused = |found: String| NpyError::Type { found, expected: "plain numbers (such as `|u1` or `<f4`)" };
    let DType::Plain(plain) = dtype else {
        return Err(refused("structured".to_owned()));
    };
    let bytes = plain.size_field() as usize;
    let kind = match plain.type_char() {
        TypeChar::Bool if bytes == 1 => ItemKind::Unsigned,
        TypeChar::Uint if matches!(bytes, 1 | 2 | 4 | 8) => ItemKind::Unsigned,
        TypeChar::Int if matches!(bytes, 1 | 2 | 4 | 8) => ItemKind::Signed,
        TypeChar::Float if matches!(bytes, 2 | 4 | 8) => ItemKind::Float,
        _ => return Err(refused(format!("`{plain}`"))),
    };
    Ok(ItemType { kind, bytes, big_endian: bytes > 1 && plain.endianness() == Endianness::Big })
}

/// The header of an array in row-major order, as NumPy writes it; `description` is the type, such as `|u1`.
pub fn render_header(description: &str, shape: &[usize]) -> Vec<u8> {
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

    fn read(text: &str) -> Result<Header, NpyError> {
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
            let message = read(text).and_then(Header::require_row_major_integers).unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        }
    }

    proptest! {
        #[test]
        fn what_we_write_we_read(shape in prop::collection::vec(0_usize..1000, 1..5)) {
            let bytes = render_header("|u1", &shape);
            prop_assert_eq!(bytes.len() % 64, 0);
            let header = read_header(&mut bytes.as_slice()).unwrap();
            prop_assert_eq!(header.item, ItemType::U8);
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
