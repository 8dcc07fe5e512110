//! NumPy's `.npy` arrays: guarded reading, and writing (NumPy Enhancement Proposal 1).
//!
//! Every `.npz` data file consists of such arrays, and other programs save their predictions as one. They may come from
//! anywhere, so a header has a grammar of its own here, small and read in one pass, and nothing is allocated before the numbers in it
//! are known to fit. (General readers take any Python literal, whose nesting costs them exponential time.) Types that Medley has
//! no use for are refused with a message that names the type.
//!
//! The crate knows bytes, no paths: callers add the file and the member to a [`NpyError`].
//!
//! ```
//! let labels: [u8; 3] = [0, 2, 1];
//! let mut file = medley_npy::render_header("|u1", &[3, 1]);
//! file.extend(labels);
//!
//! let array = medley_npy::parse(&file)?;
//! assert_eq!((array.shape, array.values), (vec![3, 1], vec![0.0, 2.0, 1.0]));
//!
//! let mut rest = file.as_slice();
//! let header = medley_npy::read_header(&mut rest)?;
//! assert_eq!(medley_npy::class_indices(header.item, rest)?, [0, 2, 1]);
//! # Ok::<(), medley_npy::NpyError>(())
//! ```

mod error;
mod header;
mod literal;
mod values;

pub use error::NpyError;
pub use header::{Header, ItemKind, ItemType, read_header, render_header};
pub use values::{NumericArray, class_indices, numbers, parse};

/// The example in the README runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
