//! What both programs say of a study.

use medley_search::{Study, TrialState};

use crate::commands::study::status;

/// Prints how far a study is, for people or as JSON.
///
/// # Errors
/// Where the study cannot be read, or standard output fails.
pub fn print_status(study: &Study, json: bool) -> anyhow::Result<()> {
    status::print(study, json)
}

/// A state in a word.
pub fn state_name(state: TrialState) -> &'static str {
    status::name(state)
}
