use medley_core::keys::KeyError;

use crate::TestTimeView;

/// What can be wrong with a policy, or with what an assembler is given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AugmentError {
    /// A parameter has a value that makes no sense.
    #[error("`{key}` is {value}, but must be {allowed}")]
    OutOfRange {
        /// Path of the key, such as `steps[2].probability`.
        key: String,
        /// The value found.
        value: String,
        /// What it may be.
        allowed: String,
    },
    /// Nothing to assemble from.
    #[error("an assembler needs the images of at least one task")]
    NoSources,
    /// The images of two tasks differ in size.
    #[error(
        "images of source {source_index} are {actual}, but those before are {expected}: one batch holds one size; choose one \
         release size for all tasks"
    )]
    SizeMismatch {
        /// 0-based.
        source_index: usize,
        /// Its size, without channels.
        actual: String,
        /// The size of the sources before it, without channels.
        expected: String,
    },
    /// The channels of a source cannot become the channels of the batch.
    #[error(
        "images of source {source_index} have {actual} channels, but the batch has {expected}: only grey can be replicated"
    )]
    ChannelMismatch {
        /// 0-based.
        source_index: usize,
        /// Channels of the images.
        actual: usize,
        /// Channels asked for.
        expected: usize,
    },
    /// One image is empty, or so large that offsets into it do not fit 31 bits.
    #[error(
        "images of source {source_index} are {shape}: an image must have at least one value and fewer than about 2^31"
    )]
    ImageSize {
        /// 0-based.
        source_index: usize,
        /// Shape as text.
        shape: String,
    },
    /// A normalisation of another number of channels, or one that divides by zero.
    #[error(
        "the normalisation of source {source_index} must hold {channels} finite means and positive deviations: {problem}"
    )]
    Normalisation {
        /// 0-based.
        source_index: usize,
        /// Channels of the images.
        channels: usize,
        /// What was found.
        problem: String,
    },
    /// A view that images of this shape cannot have.
    #[error("images of {shape} cannot be seen as {view:?}: turns need square images, and shifts at most 1024 pixels")]
    View {
        /// The view.
        view: TestTimeView,
        /// Shape as text.
        shape: String,
    },
    /// A resizing that makes no sense.
    #[error(
        "images of {from} cannot be resized to {to}: lengths must be at least 1, channels equal, volumes stay volumes, and an \
         image must have fewer than 2^31 values"
    )]
    Resize {
        /// Shape as text.
        from: String,
        /// Shape as text.
        to: String,
    },
    /// A preview of an image that is not there.
    #[error("image {index} was asked for, but there are {images}")]
    NoImage {
        /// 0-based.
        index: usize,
        /// How many there are.
        images: usize,
    },
}

impl From<KeyError> for AugmentError {
    fn from(KeyError { key, value, allowed }: KeyError) -> Self {
        Self::OutOfRange { key, value, allowed }
    }
}
