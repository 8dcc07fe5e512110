//! What was done to a picture on its way to a network, as people are told.

use std::fmt;

use serde::{Serialize, Serializer};

/// Something that was done to a picture and that who reads the answer should know. It is shown, and written to JSON, as a phrase.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Note {
    /// It had another size.
    Resized {
        /// Rows and columns (slices first), as the file has them.
        from: String,
        /// As the model takes them.
        to: String,
    },
    /// Inks became red, green and blue.
    Cmyk,
    /// A grey model saw the luma of a picture in colour.
    Grey,
    /// Turned by what the camera noted.
    Orientation,
    /// Sixteen bits became eight.
    SixteenBit {
        /// What became 0.
        low: f64,
        /// What became 255.
        high: f64,
    },
    /// Only the first frame, page or slice was looked at.
    First {
        /// Of how many; 0 where they were not counted.
        of: usize,
    },
    /// The window of a DICOM file: values around `centre`.
    Window {
        /// In output units, such as Hounsfield units.
        centre: f64,
        /// Width of the range that became 0 to 255.
        width: f64,
    },
    /// A file without a window: its least and greatest value became 0 and 255.
    Range {
        /// The least value.
        low: f64,
        /// The greatest value.
        high: f64,
    },
    /// High values are dark in the file (MONOCHROME1); they are bright here.
    Inverted,
}

impl Note {
    /// That a range became 0 to 255; `None` where it was that.
    pub(crate) fn range(low: f64, high: f64) -> Option<Self> {
        ((low, high) != (0.0, 255.0)).then_some(Self::Range { low, high })
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resized { from, to } => write!(f, "resized from {from} to {to}"),
            Self::Cmyk => f.write_str("converted from CMYK"),
            Self::Grey => f.write_str("converted from colour to grey"),
            Self::Orientation => f.write_str("turned by its EXIF orientation"),
            Self::SixteenBit { low, high } => write!(f, "16 bits to 8: {low} to {high} became 0 to 255"),
            Self::First { of: 0 } => f.write_str("the first of several frames"),
            Self::First { of } => write!(f, "the first of {of} frames"),
            Self::Window { centre, width } => write!(f, "window centre {centre}, width {width}"),
            Self::Range { low, high } => write!(f, "{low} to {high} became 0 to 255"),
            Self::Inverted => f.write_str("inverted (MONOCHROME1)"),
        }
    }
}

impl Serialize for Note {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
