//! Why a picture could not be read.

use crate::raster::{MAX_EDGE, MAX_FRAMES, MAX_SCANS};

/// Why a picture could not be read. The message is a sentence about "it", the file, so that whoever names the file can put it behind the
/// name. [`Self::option`] says which option of the program would help.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PictureError {
    /// The system does not give its bytes.
    #[error("{0}")]
    Unreadable(String),
    /// A folder, a pipe, a device.
    #[error("it is not a regular file")]
    NotAFile,
    /// More bytes than a picture of the allowed size can have.
    #[error("it has more than {most} bytes")]
    TooLong {
        /// The limit.
        most: u64,
    },
    /// No bytes.
    #[error("it is empty")]
    Empty,
    /// No form that is known.
    #[error("it is not a PNG, JPEG, BMP, GIF, TIFF, WebP, DICOM or NIfTI file")]
    Unknown,
    /// The bytes break the rules of their form, or end too early.
    #[error("it cannot be decoded: {0}")]
    Broken(String),
    /// An edge of 0.
    #[error("it is {shape} pixels")]
    NoPixels {
        /// As the file states it.
        shape: String,
    },
    /// An edge that no decoder is asked for.
    #[error("{shape} pixels are too many: at most {MAX_EDGE} per edge; cut or shrink it first")]
    Edge {
        /// As the file states it.
        shape: String,
    },
    /// More pixels than are allowed, counted before any is decoded.
    #[error("{shape} pixels are more than {most}; cut or shrink it first")]
    Pixels {
        /// As the file states it.
        shape: String,
        /// The limit.
        most: u64,
    },
    /// Only one page of several could be read.
    #[error("it has several pages, of which one could be read: save each as a file, or all as an array")]
    Pages,
    /// A progressive JPEG that takes the time of hundreds.
    #[error("it is a progressive JPEG of more than {MAX_SCANS} scans; save it again")]
    Scans,
    /// An animation without an end in sight.
    #[error("it has more than {MAX_FRAMES} frames")]
    Frames,
    /// An animation in colour, where a volume is wanted.
    #[error("its frames are in colour: the slices of a volume must be grey")]
    ColourVolume,
    /// Which of 65,536 values matter is not known.
    #[error("it has 16 bits per channel")]
    SixteenBit,
    /// What lies behind is not known.
    #[error("it is transparent in places")]
    Transparent,
    /// Pixels that are no bytes.
    #[error("its pixels are {0}; 8 bits per channel are needed")]
    Depth(String),
    /// A form, or a part of one, that is not read.
    #[error("{what} is not supported: {instead}")]
    Unsupported {
        /// Such as a transfer syntax, with its name.
        what: String,
        /// What to do.
        instead: &'static str,
    },
    /// Not a number, or infinite.
    #[error("value {index} of its voxels is {value}; all must be finite")]
    NotFinite {
        /// Counted from 0, in the order of the file.
        index: usize,
        /// The value.
        value: f64,
    },
    /// A flat picture where a volume is wanted, or a volume where a flat picture is.
    #[error("it is {found}; the model takes {wanted}")]
    Dimensions {
        /// Such as `a volume of 64x64x64`.
        found: String,
        /// Such as `flat images`.
        wanted: &'static str,
    },
}

impl PictureError {
    /// The option of the program that would help, if there is one.
    pub const fn option(&self) -> Option<&'static str> {
        match self {
            Self::SixteenBit => Some(
                "say how they become 8 with --sixteen-bit full-range (0-65535) or picture-range (least to greatest value of each picture)",
            ),
            Self::Transparent => Some("say what lies behind with --alpha black or white"),
            Self::Pixels { .. } => Some("or allow more with --max-pixels"),
            Self::TooLong { .. } => Some("allow more with --max-pixels"),
            _ => None,
        }
    }

    /// The message, with what option would help.
    pub fn with_option(&self) -> String {
        match self.option() {
            Some(option) if option.starts_with("or ") => format!("{self}, {option}"),
            Some(option) => format!("{self}; {option}"),
            None => self.to_string(),
        }
    }
}
