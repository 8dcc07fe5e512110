//! Datasheets: what a data file is, where it comes from and what it is good for, held against the file itself.
//!
//! The questions are those of Gebru, Morgenstern, Vecchione, Vaughan, Wallach, Daumé III and Crawford, *Datasheets for Datasets*,
//! Communications of the ACM 64(12), 2021, in its seven sections; "any other comments?" is left out. Answers come from the
//! registry, from `data/datasheets.toml` (descriptions and published numbers, each with its source), and from the file. Whatever
//! can be checked against the file is a [`Claim`] and says how the check went. What neither of them answers is left open for the
//! maintainer, visibly, and nothing is made up.
//!
//! Test labels stay sealed: claims about them are [`Finding::NotCheckable`] unless a token comes with the request.
//!
//! ```
//! use medley_audit::datasheet::Subject;
//! use medley_synth::{Rows, SynthOptions, write_set};
//! use medley_data::OpenOptions;
//!
//! let folder = tempfile::tempdir()?;
//! let options = SynthOptions { rows: Rows::AtMost(40), ..SynthOptions::default() };
//! let path = write_set(folder.path(), "breastmnist", &options, &medley_storage::RealFs)?;
//!
//! let sheet = Subject::open(&path, &OpenOptions::default())?.datasheet(None)?;
//! assert_eq!(sheet.tally().differs, 0);
//! assert!(sheet.markdown().contains("SYNTHETIC"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod claims;
mod document;
mod facts;
mod html;
mod known;
mod markdown;
mod measured;
mod sections;
mod subject;

pub use document::{Answer, Claim, Datasheet, Finding, Question, Section, Table, Tally};
pub use subject::Subject;
