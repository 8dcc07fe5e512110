//! Pixels of other types than bytes: taken where they can mean one thing only.

use medley_npy::{ItemKind, ItemType, numbers};

use super::Loaded;

/// What the values of all arrays of images are.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Values {
    least: f64,
    greatest: f64,
    whole: bool,
    finite: bool,
    float: bool,
}

/// Makes bytes of the pixels of all arrays, by one rule for all, and says which it was.
///
/// Whole numbers from 0 to 255 stay what they are, floats from 0 to 1 are multiplied by 255 and rounded.
///
/// # Errors
/// A sentence, for values that can mean several things.
pub(super) fn to_bytes(arrays: Vec<&mut Loaded>) -> Result<Option<String>, String> {
    let bytes_only = arrays.iter().all(|array| array.header.item == ItemType::U8);
    if bytes_only {
        let nearly_black = arrays.iter().all(|array| array.bytes.iter().all(|&byte| byte <= 1));
        return Ok(nearly_black.then(|| {
            "no value of the images is above 1 of 255, so they are nearly black: multiply by 255 if 1 means white"
                .to_owned()
        }));
    }
    let values = arrays.iter().fold(Values::NONE, |values, array| values.and(array));
    let (scale, note) = values.rule()?;
    for array in arrays {
        let bytes = numbers(array.header.item, &array.bytes).map(|value| (value * scale).round() as u8).collect();
        array.bytes = bytes;
        array.header.item = ItemType::U8;
    }
    Ok(Some(note.to_owned()))
}

impl Values {
    const NONE: Self =
        Self { least: f64::INFINITY, greatest: f64::NEG_INFINITY, whole: true, finite: true, float: false };

    fn and(mut self, array: &Loaded) -> Self {
        self.float |= array.header.item.kind == ItemKind::Float;
        for value in numbers(array.header.item, &array.bytes) {
            self.least = self.least.min(value);
            self.greatest = self.greatest.max(value);
            self.whole &= value.fract() == 0.0;
            self.finite &= value.is_finite();
        }
        self
    }

    /// What pixels are multiplied by, and a note about it.
    fn rule(self) -> Result<(f64, &'static str), String> {
        let Self { least, greatest, whole, finite, float } = self;
        if !finite {
            return Err("the images hold values that are not finite; mend them first".to_owned());
        }
        if float && least >= 0.0 && greatest <= 1.0 && greatest > 1.0 / 255.0 {
            return Ok((255.0, "images are floats from 0 to 1: multiplied by 255 and rounded"));
        }
        if whole && least >= 0.0 && greatest <= 255.0 {
            return Ok((1.0, "images are whole numbers from 0 to 255, and were taken as bytes"));
        }
        Err(format!(
            "the images go from {least} to {greatest}; taken are bytes, whole numbers from 0 to 255, and floats from 0 to 1. Which values \
             shall be black and white is not known: scale them, as by numpy.clip((images - low) / (high - low) * 255, 0, \
             255).astype(\"uint8\")"
        ))
    }
}

#[cfg(test)]
mod tests {
    use medley_npy::Header;

    use super::*;

    fn loaded(item: ItemType, bytes: Vec<u8>) -> Loaded {
        let header = Header { item, shape: vec![], fortran_order: false, offset: 0, data_len: bytes.len() };
        Loaded { name: "images".to_owned(), header, bytes }
    }

    fn floats(values: &[f32]) -> Loaded {
        let item = ItemType { kind: ItemKind::Float, bytes: 4, big_endian: false };
        loaded(item, values.iter().flat_map(|value| value.to_le_bytes()).collect())
    }

    fn wide(values: &[u16]) -> Loaded {
        let item = ItemType { kind: ItemKind::Unsigned, bytes: 2, big_endian: true };
        loaded(item, values.iter().flat_map(|value| value.to_be_bytes()).collect())
    }

    fn made(mut array: Loaded) -> Result<Vec<u8>, String> {
        to_bytes(vec![&mut array])?;
        assert_eq!(array.header.item, ItemType::U8);
        Ok(array.bytes)
    }

    #[test]
    fn one_meaning_is_taken_and_two_are_refused() {
        assert_eq!(made(floats(&[0.0, 0.5, 1.0])).unwrap(), [0, 128, 255]);
        assert_eq!(made(floats(&[0.0, 1.0])).unwrap(), [0, 255]);
        assert_eq!(made(floats(&[0.0, 7.0, 255.0])).unwrap(), [0, 7, 255]);
        assert_eq!(made(wide(&[0, 1, 255])).unwrap(), [0, 1, 255]);
        for array in [floats(&[0.0, 1.5]), floats(&[-1.0, 1.0]), floats(&[0.0, 256.0]), wide(&[0, 256])] {
            assert!(made(array).unwrap_err().contains("numpy.clip"));
        }
        assert!(made(floats(&[0.0, f32::NAN])).unwrap_err().contains("finite"));
        assert!(made(floats(&[0.0, 0.001])).unwrap_err().contains("to 0.001"), "a scale nobody knows");
        // One rule for all: a dark split is not brightened.
        let (mut bright, mut dark) = (floats(&[0.0, 255.0]), floats(&[0.0, 1.0]));
        to_bytes(vec![&mut bright, &mut dark]).unwrap();
        assert_eq!((bright.bytes, dark.bytes), (vec![0, 255], vec![0, 1]));
    }
}
