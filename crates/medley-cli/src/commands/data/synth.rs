use std::process::ExitCode;

use medley_core::COMPETITION_TASKS;
use medley_storage::RealFs;
use medley_synth::{Rows, SynthOptions, write_set};

use super::published;
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
    let all = COMPETITION_TASKS.map(str::to_owned);
    let names = if arguments.sets.is_empty() { &all[..] } else { &arguments.sets[..] };
    let mut sets = Vec::new();
    for name in names {
        let (entry, size) = published(name)?;
        let size = size.unwrap_or(arguments.size);
        // All are looked at before one is written.
        entry.path_in(&arguments.out, size).map_err(|error| Usage(error.to_string()))?;
        sets.push((entry, size));
    }
    for (entry, size) in sets {
        let options = SynthOptions { seed: arguments.seed, rows, size, overwrite: arguments.overwrite };
        let path = write_set(&arguments.out, &entry.name, &options, &RealFs)?;
        output::line(&format!("{} (SYNTHETIC)", path.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}
