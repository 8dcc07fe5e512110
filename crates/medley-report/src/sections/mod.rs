//! The parts of `report.html`, one file each.
//!
//! A new section is one file with a type that implements [`Section`], one line in [`sections`], a template in `templates/`
//! and a snapshot in `tests/`. It sees a [`RunRecord`] and returns a fragment, or nothing where the run has nothing to show;
//! what it shows is escaped by its template.

mod balance;
mod classes;
mod confusion;
mod curves;
mod data;
mod decisions;
mod gallery;
mod gap;
mod headline;
mod limits;
mod log;
mod published;
mod related;
mod reproduce;
mod robustness;

use crate::{Fragment, RunRecord};

/// A part of the report.
pub trait Section: Sync {
    /// Its anchor in the page: lower-case letters and hyphens, unique.
    fn id(&self) -> &'static str;

    /// Its heading.
    fn title(&self) -> &'static str;

    /// Its content, or `None` where the run has none.
    ///
    /// # Errors
    /// Whatever its template returns.
    fn render(&self, run: &RunRecord) -> Result<Option<Fragment>, askama::Error>;
}

/// All sections in the order of the page.
pub fn sections() -> &'static [&'static dyn Section] {
    &[
        &headline::Headline,
        &published::Published,
        &related::Related,
        &limits::Limits,
        &curves::Curves,
        &gap::Gap,
        &classes::Classes,
        &confusion::Confusion,
        &decisions::Decided,
        &robustness::Robustness,
        &gallery::Gallery,
        &balance::Balance,
        &data::Data,
        &reproduce::Reproduce,
        &log::Log,
    ]
}
