//! Files of predictions, and the results of a seed: each whole or absent.
//!
//! A result file has its metrics in its name, and those of the test split are known only when the labels are open. So test
//! predictions are written under `predictions/pending/` first; their hash opens the labels, and scoring gives them their final
//! name. The file with the results of the seed comes last and stands for all of it: what it does not name is done again.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use medley_core::record::{PredictionRecord, SeedRecord, TaskResult};
use medley_core::text::{hex, widened};
use medley_core::{CoreError, RunLayout, Scores, Split, TaskSpec};
use medley_predictions::RecordError;
use medley_predictions::record::read_json;
use medley_predictions::result_file;
use medley_storage::{ConfinedFolder, ReadError, Storage, StorageError, write_whole};
use sha2::{Digest as _, Sha256};

use crate::TrainError;
use crate::scoring::Written;

/// Largest file with the results of a seed that is read.
const LARGEST_RESULTS: u64 = 64 << 20;
/// Largest file of predictions that is read.
const LARGEST_PREDICTIONS: u64 = 4 << 30;

/// The prediction and result files of one run folder.
#[derive(Clone, Copy)]
pub(super) struct PredictionFiles<'a> {
    pub(super) layout: &'a RunLayout,
    pub(super) storage: &'a dyn Storage,
}

impl PredictionFiles<'_> {
    /// Writes scores under their final names, which carry the metrics of `results`.
    pub(super) fn write(
        &self,
        run: &str,
        split: Split,
        results: &[TaskResult],
        scores: &[Scores],
    ) -> Result<Vec<PredictionRecord>, TrainError> {
        self.make_folder(&self.layout.predictions())?;
        let mut records = Vec::with_capacity(results.len());
        for (result, scores) in results.iter().zip(scores) {
            let path = self.layout.prediction_file(&result.task, split, result.auc, result.accuracy, run);
            let bytes = result_file::render(scores);
            write_whole(self.storage, &path, &bytes)?;
            self.remove_others(&path)?;
            records.push(record(result, &path, &Sha256::digest(&bytes)));
        }
        Ok(records)
    }

    /// Writes test scores under names without metrics.
    pub(super) fn write_pending(
        &self,
        run: &str,
        tasks: &[TaskSpec],
        scores: Vec<Scores>,
    ) -> Result<Vec<Written>, TrainError> {
        self.make_folder(&self.layout.pending_predictions())?;
        let mut written = Vec::with_capacity(tasks.len());
        for (task, scores) in tasks.iter().zip(scores) {
            let bytes = result_file::render(&scores);
            write_whole(self.storage, &self.pending(&task.name, run), &bytes)?;
            written.push(Written { scores, sha256: Sha256::digest(&bytes).into() });
        }
        Ok(written)
    }

    /// Gives scored test predictions their final names.
    pub(super) fn settle(
        &self,
        run: &str,
        results: &[TaskResult],
        written: &[Written],
    ) -> Result<Vec<PredictionRecord>, TrainError> {
        let mut records = Vec::with_capacity(results.len());
        for (result, written) in results.iter().zip(written) {
            let path = self.layout.prediction_file(&result.task, Split::Test, result.auc, result.accuracy, run);
            let renamed = self.storage.rename_synced(&self.pending(&result.task, run), &path);
            renamed.map_err(|source| StorageError::io(&path, source))?;
            self.remove_others(&path)?;
            records.push(record(result, &path, &written.sha256));
        }
        // Empty now, unless a run was interrupted between two files.
        let _ = fs_err::remove_dir(self.layout.pending_predictions());
        Ok(records)
    }

    fn pending(&self, task: &str, run: &str) -> PathBuf {
        self.layout.pending_predictions().join(format!("{task}_{}@{run}.csv", Split::Test))
    }

    /// The results of a seed, if they were kept and every file that they name is as it was.
    pub(super) fn kept(&self, seed: u64) -> Result<Option<SeedRecord>, TrainError> {
        let path = self.layout.seed_results(seed);
        let read = read_json::<SeedRecord>(self.layout, &path, LARGEST_RESULTS).map_err(TrainError::Results)?;
        let Some(record) = read else { return Ok(None) };
        if record.result.seed != seed {
            let (key, message) = ("result.seed".to_owned(), format!("{} where {seed} belongs", record.result.seed));
            return Err(TrainError::Results(RecordError::Inconsistent { path, key, message }));
        }
        let whole = record.predictions.iter().all(|prediction| {
            self.read(&prediction.file).is_ok_and(|bytes| hex(&Sha256::digest(&bytes)) == prediction.sha256)
        });
        Ok(whole.then_some(record))
    }

    /// Keeps the results of a seed.
    pub(super) fn keep(&self, record: &SeedRecord) -> Result<(), TrainError> {
        let path = self.layout.seed_results(record.result.seed);
        self.make_folder(&self.layout.results_folder())?;
        write_json(self.storage, &path, record)
    }

    /// The test predictions of a seed, as they were written.
    pub(super) fn written(&self, record: &SeedRecord) -> Result<Vec<Written>, TrainError> {
        let tests = record.predictions.iter().filter(|prediction| prediction.split == Split::Test);
        let written = tests.map(|prediction| {
            let bytes = self.read(&prediction.file)?;
            let scores = result_file::parse(&bytes).map_err(|error| TrainError::Predictions {
                path: self.layout.predictions().join(&prediction.file),
                problem: error.to_string(),
            })?;
            Ok(Written { scores, sha256: Sha256::digest(&bytes).into() })
        });
        written.collect()
    }

    fn folder(&self) -> ConfinedFolder {
        ConfinedFolder::new(self.layout.root())
    }

    fn read(&self, file: &str) -> Result<Vec<u8>, ReadError> {
        self.folder().read_file(&self.layout.predictions().join(file), LARGEST_PREDICTIONS)
    }

    fn make_folder(&self, path: &Path) -> Result<(), StorageError> {
        self.folder().create_folder(path)
    }

    /// A result file has its metrics in its name. Predicted again after an interruption, on another machine, they may differ in
    /// the last digit; two files of one prediction would count twice.
    fn remove_others(&self, kept: &Path) -> Result<(), TrainError> {
        let (Some(folder), Some(kept)) = (kept.parent(), kept.file_name()) else { return Ok(()) };
        let prediction = |name: &OsStr| {
            result_file::parse_name(name.to_str()?).map(|name| (name.flag, name.size, name.split, name.run))
        };
        for name in self.folder().list(folder)? {
            if name != kept && prediction(&name).is_some_and(|other| Some(other) == prediction(kept)) {
                self.folder().remove(&folder.join(name))?;
            }
        }
        Ok(())
    }
}

/// Scores of a network, which are 32-bit numbers, as result files hold them: seven digits, not seventeen. What is written is also
/// what is scored, so that reading a file back gives the very scores that were measured. Their order stays.
///
/// # Errors
/// Never for scores that are finite in 32 bits.
pub(super) fn as_printed(scores: &Scores) -> Result<Scores, CoreError> {
    let values = scores.view().iter().map(|&score| widened(score as f32)).collect();
    Scores::new(values, scores.rows(), scores.columns())
}

pub(super) fn write_json(storage: &dyn Storage, path: &Path, value: &impl serde::Serialize) -> Result<(), TrainError> {
    let bytes = serde_json::to_vec_pretty(value).map_err(|error| StorageError::io(path, error.into()))?;
    Ok(write_whole(storage, path, &bytes)?)
}

fn record(result: &TaskResult, path: &Path, sha256: &[u8]) -> PredictionRecord {
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    PredictionRecord { task: result.task.clone(), split: result.split, file, sha256: hex(sha256) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn scores_print_as_32_bit_numbers() {
        assert_eq!(widened(0.3_f32), 0.3);
        assert_eq!(widened(1.0e-20_f32).to_string(), "0.00000000000000000001");
        assert_eq!(widened(f32::MIN_POSITIVE) as f32, f32::MIN_POSITIVE);
    }

    proptest! {
        #[test]
        fn a_file_reads_back_to_what_is_scored(values in prop::collection::vec(0.0_f32..=1.0, 1..30)) {
            let exact = Scores::new(values.iter().copied().map(f64::from).collect(), values.len(), 1).unwrap();
            let printed = as_printed(&exact).unwrap();
            prop_assert_eq!(&result_file::parse(&result_file::render(&printed)).unwrap(), &printed);
            for (exact, printed) in exact.view().iter().zip(printed.view()) {
                prop_assert_eq!(*exact as f32, *printed as f32);
            }
        }
    }
}
