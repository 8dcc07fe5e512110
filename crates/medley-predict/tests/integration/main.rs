//! From a run on small synthetic sets to answers.

mod packages;
mod pictures;
mod run;
