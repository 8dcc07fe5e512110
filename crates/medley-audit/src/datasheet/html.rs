//! A datasheet as one self-contained page.

use askama::Template;

use super::document::{Answer, COLOPHON, Claim, Datasheet, Finding, Tally};

#[derive(Template)]
#[template(path = "datasheet.html")]
struct Page<'a> {
    sheet: &'a Datasheet,
    tally: Tally,
    differing: Vec<&'a Claim>,
    version: &'static str,
}

impl Datasheet {
    /// The datasheet as HTML: no script, nothing that is fetched from anywhere, every text escaped, readable on a telephone
    /// and on paper. The same file gives the same page.
    ///
    /// # Errors
    /// Never on texts; the error is that of the template engine.
    pub fn html(&self) -> Result<String, std::fmt::Error> {
        let differing = self.claims().filter(|claim| matches!(claim.finding, Finding::Differs { .. })).collect();
        let page = Page { sheet: self, tally: self.tally(), differing, version: env!("CARGO_PKG_VERSION") };
        page.render().map_err(|_| std::fmt::Error)
    }
}

impl Claim {
    /// The class by which the style marks a finding, beside its word.
    fn mark(&self) -> &'static str {
        match self.finding {
            Finding::Agrees { .. } => "agrees",
            Finding::Differs { .. } => "differs",
            Finding::NotCheckable { .. } => "unchecked",
        }
    }
}
