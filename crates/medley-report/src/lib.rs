//! What people read: the report of a run folder as HTML, Markdown, CSV, LaTeX and model card, and the tables of `medley score` and
//! `medley compare`.
//!
//! The crate reads run folders and nothing else: not the data, not the network, no other crate's memory. So the report of an
//! old run, of someone else's, or of one that was killed half way can be made at any time, and is the same to the byte each
//! time. What results rest on is read strictly, what only illustrates is read as far as it can be; see [`record`].
//!
//! A report is there to keep its readers from fooling themselves, so beside every result stands how far it can be trusted:
//! the spread over seeds, a 95 % interval (see [`uncertainty`]), the published results and how they were obtained, the classes
//! that are never predicted, and a banner that cannot be overlooked where the data is synthetic.
//!
//! - [`write_report`] writes `report.html`: one self-contained page without scripts, made of [`sections()`] that are compiled
//!   from templates (askama, so that escaping is decided when the crate is built) and of charts from [`svg`].
//! - [`markdown`], [`csv()`], [`latex`] and [`model_card`] return text.
//! - [`render_robustness`] and [`robustness_chart`] show how a run fares on corrupted images, by itself or beside another.
//! - [`transfer`] sets joint training beside training alone.
//! - [`render_scorecard`] and [`render_comparison`] write the tables of predictions scored and compared.
//!
//! ```
//! use medley_core::RunLayout;
//! use medley_predictions::RecordError;
//! use medley_report::{ReportError, load_run, markdown};
//!
//! let folder = tempfile::tempdir()?;
//! let layout = RunLayout::new(folder.path());
//! match load_run(&layout) {
//!     Ok(run) => println!("{}", markdown(&run)),
//!     Err(error) => assert!(matches!(error, ReportError::Record(RecordError::NotARun { .. }))),
//! }
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! **A new section** is one file in `src/sections/` with a type that implements [`Section`], one line in
//! [`sections::sections`], a template in `templates/`, and the snapshot that `tests/integration/snapshots.rs` then asks for.

mod error;
mod facts;
mod format;
mod fragment;
mod frame;
mod page;
mod published;
pub mod record;
mod robustness;
mod scorecard;
pub mod sections;
pub mod svg;
pub mod tables;
mod text;
pub mod transfer;
pub mod uncertainty;

pub use error::ReportError;
pub use fragment::Fragment;
pub use frame::{Frame, NOT_CLINICAL};
pub use page::{html, write_report};
pub use record::{RunRecord, load_run};
pub use robustness::{read as read_robustness, render_robustness, robustness_chart};
pub use scorecard::{Format, Show, ShowPublished, render_comparison, render_scorecard};
pub use sections::{Section, sections};
pub use text::{csv, latex, markdown, model_card};

/// The example of the README runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
