//! The numbers of a tensor in JSON: a flat list, or lists nested as the shape says.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, SeqAccess, Visitor};

/// The deepest nesting: that of a batch of volumes in colour.
const MAX_DEPTH: usize = 5;

/// Bytes as they were written. What is wrong with a value is kept until name, type and shape have been looked at, since their errors say
/// more.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Data {
    /// The values, as far as they are bytes.
    pub bytes: Vec<u8>,
    /// The first that is not, by its position.
    pub wrong: Option<(usize, String)>,
    /// For each level of nesting how long its lists are, from the outside; `None` where they differ.
    pub lengths: Vec<Option<usize>>,
    /// Numbers beside lists.
    ragged: bool,
    values: usize,
}

impl Data {
    /// How many values there are.
    pub(crate) fn len(&self) -> usize {
        self.values
    }

    /// Whether it is one list, or lists that are nested as the shape says.
    pub(crate) fn fits(&self, shape: &[usize]) -> bool {
        let nested = || self.lengths.iter().copied().eq(shape.iter().map(|&length| Some(length)));
        !self.ragged && (self.lengths.len() == 1 || nested())
    }

    fn push(&mut self, value: Option<u8>, shown: impl fmt::Display) {
        match value {
            Some(byte) => self.bytes.push(byte),
            None if self.wrong.is_none() => self.wrong = Some((self.values, shown.to_string())),
            None => {}
        }
        self.values += 1;
    }
}

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut data = Self::default();
        deserializer.deserialize_seq(Level { data: &mut data, depth: 0, deepest: &mut 0 })?;
        Ok(data)
    }
}

/// A list at a depth, or a number in a list above.
struct Level<'a> {
    data: &'a mut Data,
    depth: usize,
    /// Where the first number was.
    deepest: &'a mut usize,
}

impl<'de> DeserializeSeed<'de> for Level<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Level<'_> {
    fn value(self, value: Option<u8>, shown: impl fmt::Display) {
        if *self.deepest == 0 {
            *self.deepest = self.depth;
        }
        self.data.ragged |= *self.deepest != self.depth;
        self.data.push(value, shown);
    }
}

impl<'de> Visitor<'de> for Level<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("numbers from 0 to 255, or lists of them")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Self { data, depth, deepest } = self;
        if depth == MAX_DEPTH {
            return Err(serde::de::Error::custom(format!("lists nested more than {MAX_DEPTH} deep")));
        }
        let mut length = 0;
        while list.next_element_seed(Level { data: &mut *data, depth: depth + 1, deepest: &mut *deepest })?.is_some() {
            length += 1;
        }
        // Inner lists end before those around them.
        if data.lengths.len() <= depth {
            data.lengths.resize(depth + 1, Some(usize::MAX));
        }
        let seen = &mut data.lengths[depth];
        if *seen == Some(usize::MAX) {
            *seen = Some(length);
        } else if *seen != Some(length) {
            *seen = None;
        }
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.value(u8::try_from(value).ok(), value);
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.value(u8::try_from(value).ok(), value);
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        // 1.0 may be white: floats are refused, and shown as such.
        self.value(None, format!("{value:?}"));
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.value(None, value);
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        self.value(None, "a string");
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.value(None, "null");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Data {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn flat_and_nested_lists_are_the_same_values() {
        let flat = read("[0, 1, 2, 255]");
        assert_eq!((flat.bytes.as_slice(), flat.len()), (&[0, 1, 2, 255][..], 4));
        assert!(flat.fits(&[1, 2, 2, 1]) && flat.fits(&[4]));
        let nested = read("[[[0, 1], [2, 255]]]");
        assert_eq!(nested.bytes, flat.bytes);
        assert!(nested.fits(&[1, 2, 2]));
        assert!(!nested.fits(&[2, 1, 2]) && !nested.fits(&[1, 2, 2, 1]));
        assert!(read("[]").fits(&[0]));
    }

    #[test]
    fn lists_that_fit_no_shape_are_seen() {
        assert!(!read("[[0, 1], [2]]").fits(&[2, 2]));
        assert!(!read("[[0, 1], 2]").fits(&[2, 2]));
        assert!(!read("[2, [0, 1]]").fits(&[2, 2]));
        assert!(!read("[[0, [1]], [2, [3]]]").fits(&[2, 2, 1]));
        assert!(serde_json::from_str::<Data>("[[[[[[1]]]]]]").is_err());
        assert!(serde_json::from_str::<Data>("[{}]").is_err());
        assert!(serde_json::from_str::<Data>("3").is_err());
    }

    #[test]
    fn the_first_value_that_is_no_byte_is_kept() {
        for (text, at, shown) in [
            ("[0, 256]", 1, "256"),
            ("[-1, 300]", 0, "-1"),
            ("[1.5]", 0, "1.5"),
            ("[true]", 0, "true"),
            ("[null]", 0, "null"),
        ] {
            let data = read(text);
            assert_eq!(data.wrong, Some((at, shown.to_owned())), "{text}");
        }
        assert_eq!(read("[1, \"x\", 2]").wrong, Some((1, "a string".to_owned())));
    }
}
