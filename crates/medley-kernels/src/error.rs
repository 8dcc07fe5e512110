use crate::lanes::LANES;

/// Why something cannot be computed here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KernelError {
    /// Sixteen channels are worked on at a time.
    #[error("{what} of {channels} channels; these kernels take multiples of {LANES}")]
    Channels {
        /// What has them, such as an input.
        what: &'static str,
        /// Its number of channels.
        channels: usize,
    },
    /// There is no such convolution.
    #[error("{0}: there is no such convolution")]
    Geometry(&'static str),
    /// There are no statistics of nothing.
    #[error("a batch without pixels has no mean")]
    Empty,
    /// A slice has not the length of its shape.
    #[error("{what} has {found} numbers where its shape says {wanted}")]
    Length {
        /// Which argument.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The product of its shape.
        wanted: usize,
    },
}

pub(crate) fn check_channels(what: &'static str, channels: usize) -> Result<(), KernelError> {
    let fits = channels > 0 && channels.is_multiple_of(LANES);
    if fits { Ok(()) } else { Err(KernelError::Channels { what, channels }) }
}

pub(crate) fn check_length(what: &'static str, found: usize, wanted: usize) -> Result<(), KernelError> {
    if found == wanted { Ok(()) } else { Err(KernelError::Length { what, found, wanted }) }
}
