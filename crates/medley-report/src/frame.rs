//! What all pages have around their sections: head, style, warnings, contents, foot.

use askama::Template;

use crate::Fragment;

/// What is said of a page that is about no run with benchmark data.
pub const NOT_CLINICAL: &str = "Not for clinical use: this is research software, not a medical device.";

/// A self-contained page without its sections: no script, and nothing that is fetched from anywhere.
#[derive(Debug, Clone)]
pub struct Frame<'a> {
    /// What kind of page it is, such as `run report`.
    pub kind: &'static str,
    /// Of the run or the study.
    pub name: &'a str,
    /// Whether any image was generated: the page then says so first.
    pub synthetic: bool,
    /// Whether more is to come.
    pub unfinished: bool,
    /// One line under the title.
    pub summary: String,
    /// When it was begun.
    pub date: Option<String>,
    /// That it is not for clinical use.
    pub not_clinical: &'static str,
    /// Licences of the data.
    pub licences: String,
    /// Names and titles of the sections, in order.
    pub contents: Vec<(&'static str, &'static str)>,
    /// What the page is made from, such as `the run folder`.
    pub source: &'static str,
    /// The sections.
    pub body: Fragment,
}

impl Frame<'_> {
    /// The page as text.
    ///
    /// # Errors
    /// Those of [`Fragment::render`].
    pub fn render(&self) -> Result<String, askama::Error> {
        FrameTemplate { frame: self, version: env!("CARGO_PKG_VERSION"), style: style() }.render()
    }
}

#[derive(Template)]
#[template(path = "frame.html")]
struct FrameTemplate<'a> {
    frame: &'a Frame<'a>,
    version: &'static str,
    style: Fragment,
}

/// The style sheet, for every page alike.
fn style() -> Fragment {
    Fragment::trusted(include_str!("../templates/style.css").to_owned())
}
