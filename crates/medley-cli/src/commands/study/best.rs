use medley_core::RunLayout;
use medley_search::{Best, Study};
use medley_storage::{StorageError, read_text};
use toml::{Table, Value};

use super::{name_of, runs_of};
use crate::args::study::BestArguments;
use crate::failure::Usage;
use crate::output;

/// Most bytes of a config.
const MAX_CONFIG: u64 = 1 << 20;

pub(super) fn run(arguments: &BestArguments) -> anyhow::Result<()> {
    let study = Study::open(&arguments.study)?;
    let Some(best) = study.status()?.best else {
        let text = format!("`{}` has no best trial yet: none has finished", arguments.study.display());
        return Err(Usage(text).into());
    };
    if arguments.config {
        return output::document(config(&study, &best)?.trim_end());
    }
    if arguments.json {
        return output::json(&best);
    }
    output::line(&format!("trial {}: {:.4}\n{}", best.number, best.value, best.point.to_string().trim_end()))
}

/// The experiment of a trial, with all keys; with a name, seeds and folds that are not those of a trial.
fn config(study: &Study, best: &Best) -> anyhow::Result<String> {
    let runs = runs_of(study, best.number)?;
    let Some(run) = runs.first() else {
        return Err(Usage(format!("trial {} has no run folder any more", best.number)).into());
    };
    let path = RunLayout::new(run).config();
    let mut config = parsed(&path, &read_text(&path, MAX_CONFIG)?)?;
    let path = study.folder().join("base.toml");
    let base = parsed(&path, &study.text("base.toml")?.unwrap_or_default())?;
    config.insert("name".to_owned(), Value::from(format!("{}-best", name_of(study.folder()))));
    config.insert("seeds".to_owned(), base.get("seeds").cloned().unwrap_or_else(|| vec![0_i64].into()));
    match base.get("folds") {
        Some(folds) => config.insert("folds".to_owned(), folds.clone()),
        None => config.remove("folds"),
    };
    Ok(toml::to_string(&config)?)
}

fn parsed(path: &std::path::Path, text: &str) -> Result<Table, StorageError> {
    let damaged =
        |error: toml::de::Error| std::io::Error::new(std::io::ErrorKind::InvalidData, error.message().to_owned());
    text.parse::<Table>().map_err(|error| StorageError::io(path, damaged(error)))
}
