use std::process::ExitCode;

use medley_core::COMPETITION_TASKS;
use medley_storage::RealFs;
use medley_synth::{Rows, SynthOptions, write_set};

use crate::args::data::SynthArguments;
use crate::failure::Usage;
use crate::output;

pub(super) fn run(arguments: &SynthArguments) -> anyhow::Result<ExitCode> {
    let rows = match arguments.rows.as_str() {
        "official" => Rows::Official,
        number => Rows::AtMost(number.parse().map_err(|_| {
            Usage(format!("--rows {number:?}: give `official`, or the most rows per split, such as 600"))
        })?),
    };
    if !matches!(arguments.size, 28 | 64 | 128 | 224) {
        return Err(Usage(format!("--size {}: MedMNIST has 28, 64, 128 and 224", arguments.size)).into());
    }
    let options = SynthOptions { seed: arguments.seed, rows, size: arguments.size, overwrite: arguments.overwrite };
    let all = COMPETITION_TASKS.map(str::to_owned);
    let sets = if arguments.sets.is_empty() { &all[..] } else { &arguments.sets[..] };
    for set in sets {
        let path = write_set(&arguments.out, set, &options, &RealFs)?;
        output::line(&format!("{} (SYNTHETIC)", path.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}
