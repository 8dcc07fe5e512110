use askama::Template;

use super::Section;
use crate::{Fragment, RunRecord};

/// Warnings of the run, and what of its folder could not be read.
pub(super) struct Log;

#[derive(Template)]
#[template(path = "log.html")]
struct View<'a> {
    warnings: &'a [(String, usize)],
    notes: &'a [String],
}

impl Section for Log {
    fn id(&self) -> &'static str {
        "warnings"
    }

    fn title(&self) -> &'static str {
        "Warnings"
    }

    fn render(&self, run: &RunRecord) -> Result<Option<Fragment>, askama::Error> {
        let view = View { warnings: &run.history.warnings, notes: &run.notes };
        if view.warnings.is_empty() && view.notes.is_empty() {
            return Ok(None);
        }
        Fragment::render(&view).map(Some)
    }
}
