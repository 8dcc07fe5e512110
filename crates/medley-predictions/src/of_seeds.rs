//! The predictions of each seed of a run, without their truth: what is averaged, or what decision rules are fitted on.

use std::path::{Path, PathBuf};

use medley_core::record::{DataRecord, SeedRecord};
use medley_core::text::hex;
use medley_core::{Scores, Split};
use medley_storage::ConfinedFolder;
use sha2::{Digest as _, Sha256};

use crate::record::read_json;
use crate::result_file::{ResultName, parse_name};
use crate::{PredictionError, RecordError, RunFiles, ScoreTable, TableShape};

/// Largest file of the results of a seed that is read.
const SEED_RESULTS: u64 = 64 << 20;

/// What one seed of a run says of one split of one task.
#[derive(Debug, Clone, PartialEq)]
pub struct SeedPredictions {
    /// The seed.
    pub seed: u64,
    /// The result file, in the run folder.
    pub path: PathBuf,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// Edge length of the images, as its name says.
    pub size: usize,
    /// Probabilities `[N, C]`, row `i` for image `i` of the split.
    pub scores: Scores,
}

/// Reads the predictions of every seed of a finished run, in the order of its seeds. No label is opened. Each file has the rows and classes
/// that the manifest states, holds probabilities, and is the one that the seed recorded, where it did.
///
/// # Errors
/// [`PredictionError::NotPredicted`] of an unfinished run or a split that it has not predicted, [`PredictionError::NotOfSeed`] where the
/// file of a seed is missing, cannot be told or has changed, and whatever is wrong in a file, with its lines.
pub fn of_seeds(run: &RunFiles, data: &DataRecord, split: Split) -> Result<Vec<SeedPredictions>, PredictionError> {
    let root = || run.layout.root().to_owned();
    let not_predicted = |unfinished| PredictionError::NotPredicted { run: root(), split, unfinished };
    let Some(results) = &run.results else { return Err(not_predicted(true)) };
    if split == Split::Test && !results.is_tested() {
        return Err(not_predicted(false));
    }
    let names: Vec<(String, ResultName)> = ConfinedFolder::new(run.layout.root())
        .list(&run.layout.predictions())
        .map_err(RecordError::from)?
        .into_iter()
        .filter_map(|name| name.into_string().ok())
        .filter_map(|name| parse_name(&name).map(|parsed| (name, parsed)))
        .filter(|(_, name)| name.is_of(&data.task.name) && name.split == split)
        .collect();
    let seeds = results.seeds.iter().map(|result| {
        let seed = result.seed;
        let fail = |problem: String| {
            let task = data.task.name.clone();
            PredictionError::NotOfSeed { run: root(), task, split, seed, problem }
        };
        let (file, name) = file_of(run, seed, &names).map_err(fail)?;
        let path = run.layout.predictions().join(file);
        read(run, data, split, seed, name.size, path.clone()).map_err(|error| match error {
            error @ PredictionError::NotOfSeed { .. } => error,
            error => error.in_file("use", path),
        })
    });
    seeds.collect()
}

/// The file of a seed, by the name of the run; one of another name, as of a run that was renamed while it was interrupted, if it is the
/// only one.
fn file_of<'a>(
    run: &RunFiles,
    seed: u64,
    names: &'a [(String, ResultName)],
) -> Result<&'a (String, ResultName), String> {
    let ending = format!("-seed{seed}");
    let of_seed: Vec<_> = names.iter().filter(|(_, name)| name.run.ends_with(&ending)).collect();
    let own: Vec<_> =
        of_seed.iter().copied().filter(|(_, name)| name.run == format!("{}{ending}", run.manifest.run)).collect();
    match if own.is_empty() { of_seed } else { own }.as_slice() {
        [only] => Ok(only),
        [] => Err(format!("there is no file whose name ends with `@{}{ending}.csv`", run.manifest.run)),
        [first, second, ..] => {
            Err(format!("`{}` and `{}` could both be it; remove the one that is not of this run", first.0, second.0))
        }
    }
}

fn read(
    run: &RunFiles,
    data: &DataRecord,
    split: Split,
    seed: u64,
    size: usize,
    path: PathBuf,
) -> Result<SeedPredictions, PredictionError> {
    let spec = &data.task;
    let rows = data.rows.get(&split).copied();
    let shape = TableShape { kind: spec.kind, classes: Some(&spec.classes), rows };
    // A manifest of an older program may not state the rows.
    let limit = rows.map_or(1 << 30, |rows| shape.text_limit(rows));
    let bytes = ConfinedFolder::new(run.layout.root()).read_file(&path, limit).map_err(RecordError::from)?;
    let sha256 = hex(&Sha256::digest(&bytes));
    let fail = |problem: &str| PredictionError::NotOfSeed {
        run: run.layout.root().to_owned(),
        task: spec.name.clone(),
        split,
        seed,
        problem: problem.to_owned(),
    };
    if recorded(run, seed, &path).is_some_and(|recorded| recorded != sha256) {
        return Err(fail("its file has changed since the seed was scored"));
    }
    let table = ScoreTable::from_result_file(&bytes)?;
    if rows.is_some_and(|rows| rows != table.scores.rows()) {
        let (found, stated) = (table.scores.rows(), rows.unwrap_or_default());
        return Err(fail(&format!("its file has {found} rows, but the manifest states {stated}")));
    }
    if table.scores.columns() != spec.outputs() {
        let found = table.scores.columns();
        return Err(fail(&format!("its file has {found} scores per row, but the task has {} classes", spec.outputs())));
    }
    table.check_probabilities(spec.kind)?;
    Ok(SeedPredictions { seed, path, sha256, size, scores: table.scores })
}

/// The SHA-256 of a file that the seed recorded; `None` where its record is gone or does not name the file.
fn recorded(run: &RunFiles, seed: u64, path: &Path) -> Option<String> {
    let record: SeedRecord = read_json(&run.layout, &run.layout.seed_results(seed), SEED_RESULTS).ok()??;
    let name = path.file_name()?.to_str()?;
    record.predictions.into_iter().find(|prediction| prediction.file == name).map(|prediction| prediction.sha256)
}
