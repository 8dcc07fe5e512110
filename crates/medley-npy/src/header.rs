//! Headers, read with suspicion: nothing is allocated before the numbers are known to fit.

use std::io::Read;

use crate::NpyError;
use crate::literal::{Description, Literal, Unexpected, parse};

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
        self.require_row_major()
    }

    /// Refuses arrays in Fortran order.
    ///
    /// # Errors
    /// [`NpyError::FortranOrder`].
    pub fn require_row_major(self) -> Result<Self, NpyError> {
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
        _ if start[7] != 0 => return Err(NpyError::Version(start[6], start[7])),
        1 => (usize::from(u16::from_le_bytes([start[8], start[9]])), 10),
        2 | 3 => {
            let mut more = [0; 2];
            reader.read_exact(&mut more).map_err(NpyError::Read)?;
            bytes.extend(more);
            (u32::from_le_bytes([start[8], start[9], more[0], more[1]]) as usize, 12)
        }
        version => return Err(NpyError::Version(version, start[7])),
    };
    if length > MAX_HEADER {
        return Err(NpyError::HeaderLength { length, most: MAX_HEADER });
    }
    reader.take(length as u64).read_to_end(&mut bytes).map_err(NpyError::Read)?;
    if bytes.len() < prefix + length {
        return Err(NpyError::HeaderCutOff);
    }
    let text = std::str::from_utf8(&bytes[prefix..]).map_err(|_| NpyError::Header("it is not text".to_owned()))?;
    let literal = parse(text).map_err(|Unexpected { expected, at }| {
        NpyError::Header(format!("{expected} was expected at {:?}", beginning(&text[at..])))
    })?;
    let item = item_type(&literal.description)?;
    let shape = shape(&literal)?;
    let product = shape.iter().try_fold(item.bytes, |product, &dimension| product.checked_mul(dimension));
    let data_len = product.ok_or_else(|| NpyError::ShapeOverflow(shape.clone()))?;
    let fortran_order = literal.fortran_order && shape.len() > 1;
    Ok(Header { item, shape, fortran_order, offset: prefix + length, data_len })
}

/// So much of a text as a message shows.
fn beginning(text: &str) -> &str {
    text.char_indices().nth(20).map_or(text, |(end, _)| &text[..end])
}

/// The dimensions, once it is known that their product times the widest item fits.
fn shape(literal: &Literal<'_>) -> Result<Vec<usize>, NpyError> {
    if literal.shape.len() > MAX_DIMENSIONS {
        return Err(NpyError::Dimensions(MAX_DIMENSIONS));
    }
    let number = |text: &&str| text.parse().map_err(|_| NpyError::Dimension(beginning(text).to_owned()));
    let shape: Vec<usize> = literal.shape.iter().map(number).collect::<Result<_, _>>()?;
    // A dimension of 0 must not hide the others: whoever multiplies them one by one has to stay within bounds.
    let all = shape.iter().try_fold(8_usize, |product, &dimension| product.checked_mul(dimension.max(1)));
    if all.is_some() { Ok(shape) } else { Err(NpyError::ShapeOverflow(shape)) }
}

/// A type string such as `<f4`: byte order, kind, bytes.
fn item_type(description: &Description<'_>) -> Result<ItemType, NpyError> {
    let refused = |found: String| NpyError::Type { found, expected: "plain numbers (such as `|u1` or `<f4`)" };
    let Description::Plain(text) = *description else {
        return Err(refused("structured".to_owned()));
    };
    let (kind, bytes, big_endian) = match text.as_bytes() {
        [b'|', kind, b'1'] => (*kind, 1, false),
        [order @ (b'<' | b'>'), kind, bytes @ b'1'..=b'8'] => (*kind, usize::from(bytes - b'0'), *order == b'>'),
        _ => return Err(refused(format!("`{}`", beginning(text).escape_debug()))),
    };
    let kind = match (kind, bytes) {
        (b'b', 1) | (b'u', 1 | 2 | 4 | 8) => ItemKind::Unsigned,
        (b'i', 1 | 2 | 4 | 8) => ItemKind::Signed,
        (b'f', 2 | 4 | 8) => ItemKind::Float,
        _ => return Err(refused(format!("`{text}`"))),
    };
    Ok(ItemType { kind, bytes, big_endian: bytes > 1 && big_endian })
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

    fn file(text: &str) -> Vec<u8> {
        [b"\x93NUMPY\x01\x00".as_slice(), &(text.len() as u16).to_le_bytes(), text.as_bytes()].concat()
    }

    fn read(text: &str) -> Result<Header, NpyError> {
        read_header(&mut file(text).as_slice())
    }

    #[test]
    fn brackets_in_brackets_cost_nothing() {
        // Deep enough that whoever follows them, by recursion or by trying twice, does not come back.
        let deep = "[".repeat(60_000);
        for text in [
            format!("{{'descr': {deep}"),
            format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({deep}"),
            format!("{{{deep}"),
            deep,
        ] {
            let message = read(&text).unwrap_err().to_string();
            assert!(message.len() < 200 && !message.contains('\n'), "{message}");
        }
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
            ("{'descr': '<f16', 'fortran_order': False, 'shape': (1,), }", "type is `<f16`"),
            ("{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999999999999999,), }", "dimension"),
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
        fn it_reads_what_npyz_reads(
            item in prop::sample::select(vec!["|b1", "|u1", "|i1", "<u2", ">u2", "<i4", ">i8", "<u8", "<f2", ">f4", "<f8"]),
            fortran: bool,
            shape in prop::collection::vec(0_usize..2000, 0..=5),
            keys in Just(vec![0_usize, 1, 2]).prop_shuffle(),
            mark in prop::sample::select(vec!['\'', '"']),
            space in prop::sample::select(vec!["", " ", "  "]),
            last_comma: bool,
        ) {
            let numbers: Vec<String> = shape.iter().map(ToString::to_string).collect();
            let only = if shape.len() == 1 { "," } else { "" };
            let values = [
                format!("{mark}descr{mark}{space}:{space}{mark}{item}{mark}"),
                format!("{mark}fortran_order{mark}:{space}{}", if fortran { "True" } else { "False" }),
                format!("{mark}shape{mark}:{space}({space}{}{only}{space})", numbers.join(&format!(",{space}"))),
            ];
            let values: Vec<&str> = keys.iter().map(|&key| values[key].as_str()).collect();
            let comma = if last_comma { "," } else { "" };
            let text = format!("{{{space}{}{comma}{space}}}{space}\n", values.join(&format!(",{space}")));
            let ours = read(&text).unwrap();
            let theirs = npyz::NpyHeader::from_reader(file(&text).as_slice()).unwrap();
            let item = |text: &str| theirs.dtype() == npyz::DType::Plain(text.parse().unwrap());
            // A boolean is an unsigned byte here.
            prop_assert!(item(&ours.item.to_string()) || (item("|b1") && ours.item == ItemType::U8));
            prop_assert_eq!(theirs.order() == npyz::Order::Fortran && shape.len() > 1, ours.fortran_order);
            prop_assert_eq!(theirs.shape().iter().map(|&edge| edge as usize).collect::<Vec<_>>(), ours.shape);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, text in ".{0,200}", near in "[\\[\\](){}',: 0-9L]{0,200}") {
            let _ = read(&format!("{{'descr': {near}"));
            let _ = read(&format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({near}"));
            let _ = read_header(&mut bytes.as_slice());
            let _ = read(&text);
        }
    }
}
