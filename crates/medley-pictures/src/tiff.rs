//! How many pages a TIFF file has. The decoder reads the first and keeps silent about the others, which in microscopy are the
//! slices of a stack.

/// More pages than anybody asks about; also stops lists that run in circles.
const MOST: usize = 3;

/// Pages of a classic or big TIFF, counted up to three; 0 for what is neither.
pub(crate) fn pages(bytes: &[u8]) -> usize {
    let little = match bytes.get(..2) {
        Some(b"II") => true,
        Some(b"MM") => false,
        _ => return 0,
    };
    let number = |at: usize, length: usize| -> Option<usize> {
        let field = bytes.get(at..at.checked_add(length)?)?;
        let fold = |value: u64, &byte: &u8| value << 8 | u64::from(byte);
        let value = if little { field.iter().rev().fold(0, fold) } else { field.iter().fold(0, fold) };
        usize::try_from(value).ok()
    };
    // Bytes of an offset, of the number of entries, and of an entry.
    let (offset, count, entry, first) = match number(2, 2) {
        Some(42) => (4, 2, 12, 4),
        Some(43) => (8, 8, 20, 8),
        _ => return 0,
    };
    let mut directory = number(first, offset);
    let mut found = 0;
    while let Some(at) = directory.filter(|&at| at != 0) {
        found += 1;
        if found == MOST {
            break;
        }
        directory = number(at, count)
            .and_then(|entries| entries.checked_mul(entry)?.checked_add(at)?.checked_add(count))
            .and_then(|next| number(next, offset));
    }
    found
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

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(mut bytes: Vec<u8>, big: bool) {
            let _ = pages(&bytes);
            bytes.splice(0..0, if big { *b"II\x2b\0" } else { *b"MM\0\x2a" });
            prop_assert!(pages(&bytes) <= MOST);
        }
    }
}
