//! What the networks of `auto` say of the test split. No label is opened here.

use std::path::Path;

use medley_core::{RunLayout, Scores};
use medley_data::Registry;
use medley_train::config::Experiment;
use medley_train::observer::Observers;
use medley_train::run_folder::RunFolder;
use medley_train::session::Session;
use medley_train::stop::StopFlag;

use crate::TuneError;

/// The probabilities of a finished run of one seed for the test images, by task in the order of the run; `None` where a stop was asked for.
///
/// # Errors
/// Whatever is wrong with the run or its data.
pub fn predict_test(
    run: &Path,
    session: &Session<'_>,
    registry: &Registry,
    stop: &StopFlag,
) -> Result<Option<Vec<Scores>>, TuneError> {
    let folder = RunFolder::open(run).map_err(medley_train::TrainError::from)?;
    let version = folder.manifest().environment.medley.clone();
    let experiment = Experiment::load_recorded(&RunLayout::new(run).config(), &version, registry)?;
    Ok(session.resume(&experiment, folder)?.predict_test(Observers::default(), stop)?)
}
