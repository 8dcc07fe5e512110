//! What `medley score --corruptions` needs libtorch for.

use std::process::ExitCode;

use medley_cli::args::RobustnessRequest;
use medley_storage::RealFs;
use medley_train::session::Session;

use super::train::{open_run, steps_bar};
use crate::interruption::Interruption;

/// Measures a run on corrupted images and keeps what was found in its folder.
pub(crate) fn run(request: &RobustnessRequest) -> anyhow::Result<ExitCode> {
    let interruption = Interruption::while_running("`medley score --corruptions`")?;
    let (data, experiment, folder) = open_run(&request.run, &request.data)?;
    let session = Session::open(data, medley_data::OpenOptions::default(), &RealFs);
    let run = session.resume(&experiment, folder)?;
    let bar = steps_bar(0, false);
    let measured = run.measure_robustness(&interruption.stop, |done, all| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
    })?;
    bar.finish_and_clear();
    let Some(record) = measured else { return Ok(interruption.stopped("nothing was written")) };
    run.keep_robustness(&record)?;
    Ok(ExitCode::SUCCESS)
}
