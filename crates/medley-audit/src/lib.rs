//! What a data file is, and what is wrong with it.
//!
//! - [`inspect`] tells which set a file holds, whether it is byte for byte what was published, and what differs.
//! - [`stats`] counts classes and levels: balance, means, deviations, histograms.
//! - [`audit`] looks for what makes results too good or meaningless: images that lie in two splits, contradicting labels, absent
//!   classes, shifted priors, and a validation split too small to tell models apart.
//! - [`datasheet`] writes a datasheet whose claims are checked against the file.
//!
//! Nothing here is needed for training. Test labels stay sealed unless the caller brings a token.
//!
//! ```
//! use medley_audit::audit::{AuditedSet, Options, audit};
//! use medley_core::Origin;
//! use medley_data::Registry;
//!
//! let spec = Registry::builtin().find("retinamnist")?.spec(28, Origin::Synthetic);
//! let task = medley_synth::generate(&spec, [60, 20, 20], 7)?.into_task(spec)?;
//! let found = audit(&[AuditedSet { task: &task, test_labels: None }], &Options::default());
//! assert_eq!(found.sets[0].rows, [60, 20, 20]);
//! assert!(found.exact.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod audit;
pub mod datasheet;
pub mod inspect;
pub mod stats;

/// The example of the README runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
