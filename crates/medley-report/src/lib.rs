//! Reports from a run folder: HTML, Markdown, CSV, LaTeX, a model card, the submission, and tables over several runs.
//!
//! The crate reads run folders and nothing else: not the data, not the network, no other crate's memory. So the report of an
//! old run, of someone else's, or of one that was killed half way can be made at any time, and is the same to the byte each
//! time. What figures rest on is read strictly, what only illustrates is read as far as it can be; see [`record`].
//!
//! A report is there to keep its reader from deceiving himself, so beside every figure stands how far it can be trusted:
//! the spread over seeds, a 95 % interval (see [`interval`]), the published figures and how they were made, the classes
//! that are never predicted, and a banner that cannot be overlooked where the data was drawn rather than measured.
//!
//! - [`write_report`] writes `report.html`: one self-contained page without scripts, made of [`sections()`] that are compiled
//!   from templates (askama, so that escaping is decided when the crate is built) and of charts from [`svg`].
//! - [`write_submission`] writes the competition's file, after checking it against what was scored.
//! - [`markdown`], [`csv()`], [`latex`] and [`model_card`] return text.
//! - [`compare_runs`] sets runs beside each other that can be compared.
//!
//! ```
//! use medley_core::RunLayout;
//! use medley_report::{ReportError, load_run, markdown};
//!
//! let folder = tempfile::tempdir()?;
//! let layout = RunLayout::new(folder.path());
//! match load_run(&layout) {
//!     Ok(run) => println!("{}", markdown(&run)),
//!     Err(error) => assert!(matches!(error, ReportError::NotARun { .. })),
//! }
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! **A new section** is one file in `src/sections/` with a type that implements [`Section`], one line in
//! [`sections::sections`], a template in `templates/`, and the snapshot that `tests/snapshots.rs` then asks for.

mod compare;
mod error;
mod facts;
mod format;
mod fragment;
pub mod interval;
mod page;
mod published;
pub mod record;
pub mod sections;
mod submission;
pub mod svg;
mod text;

pub use compare::{Comparison, ComparisonGroup, ComparisonRow, compare_runs};
pub use error::ReportError;
pub use fragment::Fragment;
pub use page::{html, write_report};
pub use record::{RunRecord, load_run};
pub use sections::{Section, sections};
pub use submission::{COMPETITION_ROWS, Submission, SubmissionOrder, write_submission};
pub use text::{csv, latex, markdown, model_card};
