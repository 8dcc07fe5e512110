//! `metrics.csv`: the metrics of every epoch, for spreadsheets and reports.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use medley_core::record::{Event, MetricRow};
use medley_storage::{ConfinedFolder, ConfinedFs, RealFs, Storage, if_present, write_whole};

use super::Observer;

/// Largest file that is read, in bytes.
const LARGEST: u64 = 256 << 20;

/// Writes a [`MetricRow`] per task and one for all of them, after each epoch.
///
/// The file is replaced whole each time, so it can be read at any moment, also after the process was killed. It has no times:
/// equal runs have equal files, interrupted or not.
#[derive(Debug)]
pub struct MetricsCsv<S: Storage = RealFs> {
    storage: ConfinedFs<S>,
    path: PathBuf,
    /// What the file holds.
    text: Vec<u8>,
}

impl MetricsCsv {
    /// Begins the file of a run folder, or goes on with those of its rows for which `keep` is true: rows of epochs that no checkpoint holds
    /// will be written again.
    ///
    /// # Errors
    /// When the file is damaged or cannot be written, with its path.
    pub fn open(folder: &ConfinedFolder, path: &Path, keep: &dyn Fn(&MetricRow) -> bool) -> anyhow::Result<Self> {
        Self::with_storage(RealFs, folder, path, keep)
    }
}

impl<S: Storage> MetricsCsv<S> {
    /// As [`MetricsCsv::open`], on another storage.
    ///
    /// # Errors
    /// As [`MetricsCsv::open`].
    pub fn with_storage(
        storage: S,
        folder: &ConfinedFolder,
        path: &Path,
        keep: &dyn Fn(&MetricRow) -> bool,
    ) -> anyhow::Result<Self> {
        let mut rows = read(folder, path)?;
        rows.retain(keep);
        let storage = ConfinedFs::new(folder.clone(), storage);
        let csv = Self { storage, path: path.to_owned(), text: encode(rows, true)? };
        write_whole(&csv.storage, path, &csv.text)?;
        Ok(csv)
    }
}

impl<S: Storage> Observer for MetricsCsv<S> {
    fn observe(&mut self, event: &Event) -> anyhow::Result<()> {
        let Event::EpochFinished { metrics, .. } = event else { return Ok(()) };
        let before = self.text.len();
        self.text.extend(encode(metrics.rows(), false)?);
        write_whole(&self.storage, &self.path, &self.text).inspect_err(|_| self.text.truncate(before))?;
        Ok(())
    }
}

fn read(folder: &ConfinedFolder, path: &Path) -> anyhow::Result<Vec<MetricRow>> {
    let bytes = if_present(folder.read_file(path, LARGEST))?.unwrap_or_default();
    let rows: Result<_, csv::Error> = csv::Reader::from_reader(bytes.as_slice()).deserialize().collect();
    rows.with_context(|| {
        format!("`{}` is damaged; move it away to continue without the metrics of earlier epochs", path.display())
    })
}

fn encode(rows: impl IntoIterator<Item = MetricRow>, header: bool) -> anyhow::Result<Vec<u8>> {
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    if header {
        // Written by hand, as serde gives no header for a file without rows.
        writer.write_record(MetricRow::HEADER)?;
    }
    for row in rows {
        writer.serialize(row)?;
    }
    writer.into_inner().context("cannot encode metrics")
}

#[cfg(test)]
mod tests {
    use medley_core::record::EpochMetrics;
    use medley_storage::{Fault, FaultyFs};

    use super::super::samples;
    use super::*;

    fn confined(folder: &tempfile::TempDir) -> ConfinedFolder {
        ConfinedFolder::new(folder.path())
    }

    fn all(_: &MetricRow) -> bool {
        true
    }

    #[test]
    fn the_file_is_as_documented() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.csv");
        let mut csv = MetricsCsv::open(&confined(&folder), &path, &all).unwrap();
        csv.observe(&samples::warning()).unwrap();
        csv.observe(&samples::epoch_finished(7, 0)).unwrap();
        insta::assert_snapshot!(fs_err::read_to_string(&path).unwrap(), @"
        seed,epoch,task,train_loss,val_loss,val_auc,val_accuracy,val_macro_f1,learning_rate
        7,1,breastmnist,,0.30000000000000004,0.9,0.75,0.5,
        7,1,octmnist,,0.30000000000000004,,0.75,0.3333333333333333,
        7,1,all,1.5,,,,0.4,0.003
        ");
        let Event::EpochFinished { metrics, .. } = samples::epoch_finished(7, 0) else { unreachable!() };
        assert_eq!(EpochMetrics::from_rows(read(&confined(&folder), &path).unwrap()), [metrics]);
    }

    #[test]
    fn resuming_gives_the_file_of_an_undisturbed_run() {
        let folder = tempfile::tempdir().unwrap();
        let (straight, resumed) = (folder.path().join("a.csv"), folder.path().join("b.csv"));
        let mut csv = MetricsCsv::open(&confined(&folder), &straight, &all).unwrap();
        (0..4).for_each(|epoch| csv.observe(&samples::epoch_finished(7, epoch)).unwrap());
        for checkpoint in 0..=3 {
            let _ = fs_err::remove_file(&resumed);
            let mut csv = MetricsCsv::open(&confined(&folder), &resumed, &all).unwrap();
            (0..3).for_each(|epoch| csv.observe(&samples::epoch_finished(7, epoch)).unwrap());
            let mut csv = MetricsCsv::open(&confined(&folder), &resumed, &|row| row.epoch <= checkpoint).unwrap();
            (checkpoint..4).for_each(|epoch| csv.observe(&samples::epoch_finished(7, epoch)).unwrap());
            assert_eq!(fs_err::read(&straight).unwrap(), fs_err::read(&resumed).unwrap(), "from {checkpoint}");
        }
    }

    #[test]
    fn infinite_metrics_are_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.csv");
        let Event::EpochFinished { mut metrics, .. } = samples::epoch_finished(7, 0) else { unreachable!() };
        metrics.validation[0].loss = f64::INFINITY;
        metrics.validation[1].loss = f64::NAN;
        fs_err::write(&path, encode(metrics.rows(), true).unwrap()).unwrap();
        MetricsCsv::open(&confined(&folder), &path, &all).unwrap();
        let read = EpochMetrics::from_rows(read(&confined(&folder), &path).unwrap());
        assert_eq!(read[0].validation[0], metrics.validation[0]);
        assert!(read[0].validation[1].loss.is_nan());
    }

    #[test]
    fn damage_is_named_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.csv");
        MetricsCsv::open(&confined(&folder), &path, &all).unwrap().observe(&samples::epoch_finished(7, 0)).unwrap();
        let mut text = fs_err::read(&path).unwrap();
        text.truncate(text.len() - 10);
        fs_err::write(&path, &text).unwrap();
        let error = format!("{:#}", MetricsCsv::open(&confined(&folder), &path, &all).unwrap_err());
        assert!(error.contains("metrics.csv") && error.contains("line"), "{error}");
        assert_eq!(fs_err::read(&path).unwrap(), text, "it is left as it was");
    }

    #[test]
    fn a_failing_disk_leaves_the_file_of_the_epoch_before() {
        for fault in [Fault::DiskFull, Fault::Torn] {
            // Operations 0 and 1 open it, 2 and 3 write the first epoch, 4 and 5 the second.
            for fail_at in 2..6 {
                let folder = tempfile::tempdir().unwrap();
                let path = folder.path().join("metrics.csv");
                let mut csv =
                    MetricsCsv::with_storage(FaultyFs::new(fail_at, fault), &confined(&folder), &path, &all).unwrap();
                let mut failures = 0;
                for epoch in 0..2 {
                    let before = fs_err::read(&path).unwrap();
                    if csv.observe(&samples::epoch_finished(7, epoch)).is_err() {
                        failures += 1;
                        assert_eq!(fs_err::read(&path).unwrap(), before);
                        csv.observe(&samples::epoch_finished(7, epoch)).unwrap();
                    }
                }
                assert_eq!(
                    (failures, read(&confined(&folder), &path).unwrap().len()),
                    (1, 6),
                    "{fault:?} at {fail_at}"
                );
            }
        }
    }
}
