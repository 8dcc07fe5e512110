//! The lengths in a DICOM file, checked before any is believed.
//!
//! The library that reads elements takes as much memory as a length says before it reads a byte of the value, four gigabytes if a file
//! says so, and calls itself for each sequence in a sequence. So the file is walked first, by headers alone.

use crate::PictureError;

/// The most elements, in all sequences together.
const MOST_ELEMENTS: usize = 200_000;
/// The deepest sequence in sequences.
const DEEPEST: usize = 16;
/// A length that is not known: a delimiter ends it.
const UNDEFINED: u32 = 0xffff_ffff;

const ITEM: (u16, u16) = (0xfffe, 0xe000);
const ITEM_END: (u16, u16) = (0xfffe, 0xe00d);
const SEQUENCE_END: (u16, u16) = (0xfffe, 0xe0dd);
const PIXEL_DATA: (u16, u16) = (0x7fe0, 0x0010);

fn broken(at: usize, problem: &str) -> PictureError {
    PictureError::Broken(format!("DICOM, byte {at}: {problem}"))
}

/// How the elements are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    ImplicitLittle,
    ExplicitLittle,
    ExplicitBig,
}

struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
    form: Form,
    elements: usize,
}

/// One header.
struct Element {
    tag: (u16, u16),
    /// `None` in implicit form, and of items.
    vr: Option<[u8; 2]>,
    length: u32,
}

/// Walks through a file and gives its transfer syntax, without padding.
pub(super) fn check(bytes: &[u8]) -> Result<String, PictureError> {
    let mut walk = Walk { bytes, at: 132, form: Form::ExplicitLittle, elements: 0 };
    let syntax = walk.meta()?;
    walk.form = match syntax.as_str() {
        "1.2.840.10008.1.2" => Form::ImplicitLittle,
        "1.2.840.10008.1.2.2" => Form::ExplicitBig,
        // All encapsulated syntaxes are explicit, and little endian. Deflated ones are refused by whoever calls.
        "1.2.840.10008.1.2.1.99" => return Ok(syntax),
        _ => Form::ExplicitLittle,
    };
    walk.data_set()?;
    Ok(syntax)
}

impl Walk<'_> {
    fn number(&self, at: usize, length: usize) -> Option<u32> {
        let bytes = self.bytes.get(at..at.checked_add(length)?)?;
        let fold = |value: u32, &byte: &u8| value << 8 | u32::from(byte);
        Some(if self.form == Form::ExplicitBig { bytes.iter().fold(0, fold) } else { bytes.iter().rev().fold(0, fold) })
    }

    fn left(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    /// Reads a header and goes behind it.
    fn header(&mut self) -> Result<Element, PictureError> {
        self.elements += 1;
        if self.elements > MOST_ELEMENTS {
            return Err(broken(self.at, "it has too many elements"));
        }
        let ended = || broken(self.at, "it ends within an element");
        let tag =
            (self.number(self.at, 2).ok_or_else(ended)? as u16, self.number(self.at + 2, 2).ok_or_else(ended)? as u16);
        if self.form == Form::ImplicitLittle || tag.0 == 0xfffe {
            let length = self.number(self.at + 4, 4).ok_or_else(ended)?;
            self.at += 8;
            return Ok(Element { tag, vr: None, length });
        }
        let vr = self.bytes.get(self.at + 4..self.at + 6).and_then(|vr| vr.try_into().ok()).ok_or_else(ended)?;
        let (length, size) = match &vr {
            b"AE" | b"AS" | b"AT" | b"CS" | b"DA" | b"DS" | b"DT" | b"FL" | b"FD" | b"IS" | b"LO" | b"LT" | b"PN"
            | b"SH" | b"SL" | b"SS" | b"ST" | b"TM" | b"UI" | b"UL" | b"US" => (self.number(self.at + 6, 2), 8),
            _ => (self.number(self.at + 8, 4), 12),
        };
        let length = length.ok_or_else(ended)?;
        self.at += size;
        Ok(Element { tag, vr: Some(vr), length })
    }

    /// Goes behind a value.
    fn skip(&mut self, length: u32) -> Result<(), PictureError> {
        if length as usize > self.left() {
            let problem = format!("a value of {length} bytes, where {} are left", self.left());
            return Err(broken(self.at, &problem));
        }
        self.at += length as usize;
        Ok(())
    }

    /// The group of the file itself: the first element says how long it is.
    fn meta(&mut self) -> Result<String, PictureError> {
        let (mut syntax, mut end) = (None, None);
        while self.number(self.at, 2) == Some(2) {
            let element = self.header()?;
            let start = self.at;
            if element.length == UNDEFINED || element.vr == Some(*b"SQ") {
                return Err(broken(start, "a sequence where none may be"));
            }
            self.skip(element.length)?;
            match element.tag.1 {
                0 if element.length == 4 => end = self.number(start, 4).map(|length| self.at + length as usize),
                0x10 => syntax = std::str::from_utf8(&self.bytes[start..self.at]).ok().map(str::to_owned),
                _ => {}
            }
        }
        if end != Some(self.at) {
            return Err(broken(self.at, "the length of the file's own group is not that of its elements"));
        }
        let syntax = syntax.ok_or_else(|| broken(self.at, "it names no transfer syntax"))?;
        Ok(syntax.trim_end_matches(['\0', ' ']).to_owned())
    }

    fn data_set(&mut self) -> Result<(), PictureError> {
        // Where the sequences and items that are open end, if they say so.
        let mut open: Vec<Option<usize>> = Vec::new();
        while self.left() > 0 {
            while open.last().is_some_and(|end| end.is_some_and(|end| end <= self.at)) {
                open.pop();
            }
            let element = self.header()?;
            let Element { tag, length, .. } = element;
            if tag == ITEM_END || tag == SEQUENCE_END {
                open.pop();
                self.skip(length)?;
            } else if length == UNDEFINED && tag == PIXEL_DATA {
                self.fragments()?;
            } else if tag == ITEM || self.is_sequence(&element) {
                if open.len() == DEEPEST {
                    return Err(broken(self.at, "sequences within sequences, too deep"));
                }
                if length != UNDEFINED && length as usize > self.left() {
                    return self.skip(length);
                }
                open.push((length != UNDEFINED).then(|| self.at + length as usize));
            } else {
                self.skip(length)?;
            }
        }
        Ok(())
    }

    /// What is entered rather than skipped: of unknown values, also those that begin with an item.
    fn is_sequence(&self, element: &Element) -> bool {
        let begins_with_item =
            || (self.number(self.at, 2), self.number(self.at + 2, 2)) == (Some(0xfffe), Some(0xe000));
        element.length == UNDEFINED
            || element.vr == Some(*b"SQ")
            || (element.vr.is_none_or(|vr| vr == *b"UN") && element.length >= 8 && begins_with_item())
    }

    /// Items that are not data sets, until their end.
    fn fragments(&mut self) -> Result<(), PictureError> {
        loop {
            let element = self.header()?;
            match element.tag {
                ITEM => self.skip(element.length)?,
                SEQUENCE_END => return self.skip(element.length),
                _ => return Err(broken(self.at, "pixel data without an end")),
            }
        }
    }
}
