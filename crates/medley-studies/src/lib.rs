//! What is said of a study, from its folder alone.
//!
//! - [`Overview`]: the trials with what they cost, and at which rung they can be compared.
//! - [`importance`]: which keys mattered, and how sure that is.
//! - [`confirmation`]: the winner on fresh seeds, against runners-up and the base experiment. Whoever trains writes the scores; what they
//!   say is computed here.
//! - [`auto`]: what `medley auto` did beside the search.
//! - [`page`]: `report.html` of a study: one file that needs nothing else, the same for the same folder.
//! - [`optuna`]: a journal for Optuna and its dashboard.
//! - [`slurm`]: batch scripts that let a Slurm cluster work on it.
//!
//! ```
//! use medley_search::{Study, TrialState};
//! use medley_studies::{Overview, page};
//!
//! let studies = tempfile::tempdir()?;
//! let text = "[budget]\ntrials = 3\n[space]\nx = { uniform = [0.0, 1.0] }\n";
//! let study = Study::create(studies.path(), "lines", "lines.toml".as_ref(), text)?;
//! let overview = Overview::read(&study)?;
//! assert!(overview.trials.is_empty() && page::html(&overview)?.contains("No trial has been begun"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod auto;
pub mod confirmation;
mod error;
pub mod importance;
pub mod optuna;
mod origin;
mod overview;
pub mod page;
pub mod slurm;

pub use confirmation::Confirmation;
pub use error::StudiesError;
pub use origin::{DATA_FOLDER, data_folder};
pub use overview::{Overview, TrialOverview};
