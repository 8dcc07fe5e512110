//! What a TIFF file says of itself before it is decoded: how many pages it has, since the decoder reads the first and keeps silent about the
//! others, which in microscopy are the slices of a stack; and how many values stand in an entry, since the decoder takes memory for as many.

use crate::PictureError;

/// More pages than anybody asks about; also stops lists that run in circles.
const MOST: usize = 3;

/// Where things stand in a classic or a big TIFF.
struct Layout<'a> {
    bytes: &'a [u8],
    little: bool,
    /// Bytes of an offset, of the number of entries, and of an entry.
    offset: usize,
    count: usize,
    entry: usize,
}

impl<'a> Layout<'a> {
    fn of(bytes: &'a [u8]) -> Option<Self> {
        let little = match bytes.get(..2)? {
            b"II" => true,
            b"MM" => false,
            _ => return None,
        };
        let classic = Self { bytes, little, offset: 4, count: 2, entry: 12 };
        match classic.number(2, 2)? {
            42 => Some(classic),
            43 => Some(Self { offset: 8, count: 8, entry: 20, ..classic }),
            _ => None,
        }
    }

    fn number(&self, at: usize, length: usize) -> Option<usize> {
        let field = self.bytes.get(at..at.checked_add(length)?)?;
        let fold = |value: u64, &byte: &u8| value << 8 | u64::from(byte);
        let value = if self.little { field.iter().rev().fold(0, fold) } else { field.iter().fold(0, fold) };
        usize::try_from(value).ok()
    }

    /// Where the first directory stands. Its offset has its own place in both forms.
    fn first(&self) -> Option<usize> {
        self.number(self.offset, self.offset)
    }

    /// Where the directory after this one stands; 0 if there is none.
    fn after(&self, directory: usize) -> Option<usize> {
        let entries = self.number(directory, self.count)?;
        let next = entries.checked_mul(self.entry)?.checked_add(directory)?.checked_add(self.count)?;
        self.number(next, self.offset)
    }
}

/// Pages of a classic or big TIFF, counted up to three; 0 for what is neither.
pub(crate) fn pages(bytes: &[u8]) -> usize {
    let Some(layout) = Layout::of(bytes) else { return 0 };
    let mut directory = layout.first();
    let mut found = 0;
    while let Some(at) = directory.filter(|&at| at != 0) {
        found += 1;
        if found == MOST {
            break;
        }
        directory = layout.after(at);
    }
    found
}

/// The most values in an entry of the first page. The decoder takes 32 bytes for each before it reads them.
///
/// # Errors
/// [`PictureError::Broken`] for an entry with more values than the file could hold.
pub(crate) fn most_values(bytes: &[u8]) -> Result<u64, PictureError> {
    let Some((layout, first)) = Layout::of(bytes).and_then(|layout| layout.first().map(|first| (layout, first))) else {
        return Ok(0);
    };
    let mut most = 0;
    let mut at = first.saturating_add(layout.count);
    for _ in 0..layout.number(first, layout.count).unwrap_or(0) {
        // A directory that is cut off is the decoder's to refuse.
        let (Some(tag), Some(kind)) = (layout.number(at, 2), layout.number(at.saturating_add(2), 2)) else { break };
        let Some(values) = layout.number(at.saturating_add(4), layout.offset) else { break };
        if values > bytes.len() / bytes_of(kind) {
            return Err(PictureError::Broken(format!(
                "its tag {tag} claims {values} values, more than the file holds"
            )));
        }
        most = most.max(values as u64);
        at = at.saturating_add(layout.entry);
    }
    Ok(most)
}

/// Bytes of a value; those of types that nobody knows are not read.
fn bytes_of(kind: usize) -> usize {
    match kind {
        3 | 8 => 2,
        4 | 9 | 11 | 13 => 4,
        5 | 10 | 12 | 16..=18 => 8,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pages_are_counted() {
        let mut one = std::io::Cursor::new(Vec::new());
        image::DynamicImage::new_luma8(2, 2).write_to(&mut one, image::ImageFormat::Tiff).unwrap();
        assert_eq!(pages(one.get_ref()), 1);
        // Two directories without entries, in both byte orders; and one that leads back to itself.
        assert_eq!(pages(b"II\x2a\0\x08\0\0\0\0\0\x0e\0\0\0\0\0\0\0\0\0"), 2);
        assert_eq!(pages(b"MM\0\x2a\0\0\0\x08\0\0\0\0\0\x0e\0\0\0\0\0\0"), 2);
        assert_eq!(pages(b"II\x2a\0\x08\0\0\0\0\0\x08\0\0\0"), MOST);
        assert_eq!(pages(b"\x89PNG"), 0);
    }

    #[test]
    fn entries_cannot_claim_what_the_file_does_not_hold() {
        let mut one = std::io::Cursor::new(Vec::new());
        image::DynamicImage::new_luma8(4, 40).write_to(&mut one, image::ImageFormat::Tiff).unwrap();
        let honest = one.into_inner();
        let most = most_values(&honest).unwrap();
        assert!((1..=40).contains(&most), "{most}");
        let directory = u32::from_le_bytes(*honest[4..].first_chunk().unwrap()) as usize;
        // The number of values of the first entry, in both byte orders of both forms.
        let mut lying = honest.clone();
        lying[directory + 6..directory + 10].copy_from_slice(&[0, 0, 0, 1]);
        let said = most_values(&lying).unwrap_err().to_string();
        assert!(said.contains("tag 256 claims 16777216 values"), "{said}");
        let big = |order: &[u8], values: &[u8]| {
            let number = |length: usize, value: u8| {
                let mut bytes = vec![0; length];
                let at = if order == b"II" { 0 } else { length - 1 };
                bytes[at] = value;
                bytes
            };
            [order, &number(2, 43), &number(2, 8), &number(2, 0), &number(8, 16), &number(8, 1)]
                .concat()
                .into_iter()
                .chain([number(2, 7), number(2, 4), values.to_vec(), number(16, 0)].concat())
                .collect::<Vec<u8>>()
        };
        assert_eq!(most_values(&big(b"II", &[2, 0, 0, 0, 0, 0, 0, 0])).unwrap(), 2);
        assert_eq!(most_values(&big(b"MM", &[0, 0, 0, 0, 0, 0, 0, 2])).unwrap(), 2);
        assert!(most_values(&big(b"II", &[0, 0, 0, 0, 0, 0, 0, 255])).is_err());
        assert!(most_values(&big(b"MM", &[0, 0, 0, 0, 1, 0, 0, 0])).is_err());
        assert_eq!(most_values(b"\x89PNG").unwrap(), 0);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(mut bytes: Vec<u8>, big: bool) {
            let _ = (pages(&bytes), most_values(&bytes));
            bytes.splice(0..0, if big { *b"II\x2b\0" } else { *b"MM\0\x2a" });
            prop_assert!(pages(&bytes) <= MOST);
            prop_assert!(most_values(&bytes).is_ok_and(|most| most <= bytes.len() as u64) || most_values(&bytes).is_err());
        }
    }
}
