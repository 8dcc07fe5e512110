//! What can be wrong with an array.

/// Why an array cannot be used. The text continues a sentence that names the file or the member: "its header is truncated".
#[derive(Debug, thiserror::Error)]
pub enum NpyError {
    /// The bytes could not be read.
    #[error("the array header cannot be read: {0}")]
    Read(std::io::Error),
    /// Another format.
    #[error("it is not a .npy array")]
    NotNpy,
    /// A version of the format that did not exist when this was written.
    #[error("version {0}.{1} of the .npy format is not known")]
    Version(u8, u8),
    /// The header claims to be absurdly long.
    #[error("its header claims {length} bytes, more than {most}")]
    HeaderLength {
        /// As claimed.
        length: usize,
        /// The most that is read.
        most: usize,
    },
    /// The header ends too early.
    #[error("its header is truncated")]
    HeaderCutOff,
    /// The header is no dictionary of type, order and shape.
    #[error("its header is broken: {0}")]
    Header(String),
    /// A dimension that is no number, or negative.
    #[error("its shape has the dimension {0:?}")]
    Dimension(String),
    /// Too many dimensions.
    #[error("it has more than {0} dimensions")]
    Dimensions(usize),
    /// The product of the dimensions overflows.
    #[error("its shape {0:?} exceeds the address space")]
    ShapeOverflow(Vec<usize>),
    /// A type that is not read.
    #[error("its type is {found}; {expected} are expected")]
    Type {
        /// As NumPy writes it, such as `|O`.
        found: String,
        /// What is read instead.
        expected: &'static str,
    },
    /// Columns first.
    #[error("it is stored in Fortran order; save it again with `numpy.ascontiguousarray`")]
    FortranOrder,
    /// More or fewer data than the shape needs.
    #[error("its shape {shape:?} needs {needed} bytes of data, but it has {actual}")]
    DataLength {
        /// Dimensions.
        shape: Vec<usize>,
        /// Bytes that they need.
        needed: usize,
        /// Bytes that are there.
        actual: usize,
    },
    /// A value that is no label.
    #[error("value {0} is not a class index (negative, or above 65535)")]
    ClassIndex(usize),
}
