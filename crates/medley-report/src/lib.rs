//! Reports from a run folder: HTML, Markdown, CSV, submission.

mod error;
mod facts;
mod format;
pub mod interval;
pub mod record;
mod text;

pub use error::ReportError;
pub use record::{RunRecord, load_run};
pub use text::{csv, latex, markdown, model_card};
