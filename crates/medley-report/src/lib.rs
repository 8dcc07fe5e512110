//! Reports from a run folder.

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
