//! The test split of what `medley auto` made: opened once, for the ensemble.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use medley_cli::args::TestArguments;
use medley_cli::combine::score_test;
use medley_cli::failure::Usage;
use medley_cli::{data_folder, output};
use medley_core::RunLayout;
use medley_core::record::ScoreSet;
use medley_core::text::plural;
use medley_data::Registry;
use medley_predictions::record::read_manifest;
use medley_search::Study;
use medley_storage::RealFs;
use medley_studies::auto::AutoRecord;
use medley_tune::auto::{PROGRESS, SEARCH, predict_test};

use super::super::train::session;
use super::finish::write_report;
use crate::interruption::Interruption;

/// Whether a folder was made by `medley auto`.
pub(crate) fn is_auto(folder: &Path) -> bool {
    folder.join(PROGRESS).symlink_metadata().is_ok() && folder.join(SEARCH).is_dir()
}

/// Predicts the test split with each network, averages, records the opening, scores, and writes the report again.
pub(crate) fn test(out: &Path, arguments: &TestArguments, interruption: &Interruption) -> anyhow::Result<ExitCode> {
    let search = out.join(SEARCH);
    let record = AutoRecord::read(&search)?;
    let ensemble = record.as_ref().and_then(|record| Some(out.join(record.ensemble.as_deref()?)));
    let Some((mut record, ensemble)) = record.zip(ensemble) else {
        let text = format!("`{}` is unfinished: give `medley auto` again, and it continues", out.display());
        return Err(Usage(text).into());
    };
    if record.test.is_some() {
        output::note(&format!("`{}` was tested before: there is nothing to do", out.display()));
    } else {
        let folders: Vec<PathBuf> = record.members.iter().map(|member| out.join(&member.folder)).collect();
        let Some(first) = folders.first() else { return Err(Usage("there is no network".to_owned()).into()) };
        let manifest = read_manifest(&RunLayout::new(first))?;
        let data = data_folder::of_run(first, Some(&manifest), &arguments.data);
        let session = session(&data, &arguments.reading);
        let registry = Registry::of_folder(&data)?;
        let mut predicted = Vec::new();
        for (index, folder) in folders.iter().enumerate() {
            let Some(scores) = predict_test(folder, &session, &registry, &interruption.stop)? else {
                return Ok(interruption.note(&format!("`medley test {}`", out.display())));
            };
            predicted.push(scores);
            if !arguments.quiet {
                output::note(&format!("network {} of {} has predicted", index + 1, folders.len()));
            }
        }
        record.test = score_test(&folders, &predicted, &data, &ensemble)?;
        record.write(&search, &RealFs)?;
    }
    write_report(&Study::open(&search)?, out)?;
    if arguments.json {
        output::json(&record)?;
    } else if let Some(test) = &record.test {
        output::line(&text(&record, test, out))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn text(record: &AutoRecord, test: &ScoreSet, out: &Path) -> String {
    let number = |value: f64| format!("{value:.4}");
    let row = |task: &medley_core::record::TaskResult| {
        let auc = task.auc.map_or_else(|| "-".to_owned(), number);
        vec![task.task.clone(), task.rows.to_string(), auc, number(task.accuracy), number(task.macro_f1)]
    };
    let rows: Vec<Vec<String>> = test.tasks.iter().map(row).collect();
    format!(
        "test split, by the plain rule, the mean of {}, chosen after {} on validation images\n\n{}\n\n\
         test harmonic mean of macro-F1  {}\nreport     {}\nNot for clinical use.",
        plural(record.members.len(), "network"),
        plural(record.trials, "trial"),
        output::table(&["task", "images", "AUC", "ACC", "macro-F1"], &rows),
        number(test.harmonic_mean),
        out.join("report.html").display()
    )
}
