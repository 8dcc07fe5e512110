use askama::Template;

use super::Section;
use crate::{Fragment, RunRecord};

/// Warnings of the run, and what of its folder could not be read.
pub(super) struct Log;

#[derive(Template)]
#[template(path = "log.html")]
struct LogTemplate<'a> {
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
        let template = LogTemplate { warnings: &run.history.warnings, notes: &run.notes };
        if template.warnings.is_empty() && template.notes.is_empty() {
            return Ok(None);
        }
        Fragment::render(&template).map(Some)
    }
}
