//! `medley study confirm`.

use std::process::ExitCode;

use medley_cli::args::study::ConfirmArguments;
use medley_cli::failure::Usage;
use medley_cli::{data_folder, output};
use medley_data::Registry;
use medley_search::Study;
use medley_storage::Shown;
use medley_studies::Confirmation;
use medley_tune::{ConfirmOptions, Confirmed, confirm};

use super::super::train::session;
use crate::interruption::Interruption;

pub(super) fn run(arguments: &ConfirmArguments) -> anyhow::Result<ExitCode> {
    let again = format!("`medley study confirm {}`", arguments.study.display());
    let interruption = Interruption::while_running(&again)?;
    let study = Study::open(&arguments.study)?;
    if arguments.complete && !study.is_complete()? {
        let folder = Shown(study.folder());
        let text = format!(
            "`{folder}` has trials left: `medley study work {folder}` or `medley study slurm {folder}` continue it"
        );
        return Err(Usage(text).into());
    }
    let data = data_folder::of_study(&study, &arguments.data)?;
    let session = session(&data, &arguments.reading);
    let registry = Registry::of_folder(&data)?;
    let options = ConfirmOptions { seeds: arguments.seeds.into(), top: arguments.top.into() };
    let said = |confirmed: &Confirmed| {
        if !arguments.quiet {
            let Confirmed { done, of, name, score } = confirmed;
            output::note(&format!("run {done} of {of}: {name}, {score:.4}"));
        }
    };
    match confirm(&study, &session, &registry, options, &interruption.stop, said)? {
        None => Ok(interruption.note(&again)),
        Some(confirmation) => {
            if arguments.json {
                output::json(&confirmation)?;
            } else {
                output::line(&text(&confirmation))?;
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn text(confirmation: &Confirmation) -> String {
    let comparisons = confirmation.comparisons();
    let number = |value: f64| format!("{value:.4}");
    let row = |(index, candidate): (usize, &medley_studies::confirmation::Candidate)| {
        let comparison = index.checked_sub(1).and_then(|index| comparisons.get(index));
        let interval = comparison.and_then(|one| one.interval);
        vec![
            candidate.name(),
            candidate.value.map_or_else(|| "-".to_owned(), number),
            number(candidate.mean()),
            comparison.map_or_else(|| "-".to_owned(), |one| format!("{:+.4}", one.difference)),
            interval.map_or_else(|| "-".to_owned(), |ends| format!("[{:+.4}, {:+.4}]", ends.low, ends.high)),
        ]
    };
    let rows: Vec<Vec<String>> = confirmation.candidates.iter().enumerate().map(row).collect();
    let header = ["settings of", "in the search", "fresh", "winner less this", "95 % interval"];
    format!("{}\n\n{}", output::table(&header, &rows), confirmation.sentence())
}
