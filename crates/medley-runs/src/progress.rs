//! How far seeds have come that have no results yet, from `metrics.csv`.

use std::io::{Read as _, Seek as _, SeekFrom};

use medley_core::RunLayout;
use medley_core::record::{EpochMetrics, MetricRow};
use medley_storage::ConfinedFolder;

/// Bytes at the end of the file that are read for the last epochs: a few dozen of eleven tasks.
const END: u64 = 64 << 10;
/// Bytes of it that are read at most where an earlier epoch is wanted.
const WHOLE: u64 = 16 << 20;

/// The last epochs of a run, those of the seed in progress at the end. Empty where there is no such file, or none that can be read.
pub(crate) fn last_epochs(run: &RunLayout) -> Vec<EpochMetrics> {
    end_of_file(run, END)
}

/// All epochs of a run; of a file that is too long, the last ones.
pub(crate) fn all_epochs(run: &RunLayout) -> Vec<EpochMetrics> {
    end_of_file(run, WHOLE)
}

fn end_of_file(run: &RunLayout, bytes: u64) -> Vec<EpochMetrics> {
    let Ok(mut file) = ConfinedFolder::new(run.root()).open_file(&run.metrics()) else { return Vec::new() };
    let start = file.metadata().map_or(0, |metadata| metadata.len()).saturating_sub(bytes);
    let mut text = Vec::new();
    let read = file.seek(SeekFrom::Start(start)).and_then(|_| file.take(bytes).read_to_end(&mut text));
    if read.is_err() {
        return Vec::new();
    }
    // A line that begins in what was not read is not one.
    let lines =
        if start == 0 { 0 } else { text.iter().position(|&byte| byte == b'\n').map_or(text.len(), |at| at + 1) };
    let mut epochs = epochs(&text[lines..]);
    if start > 0 && !epochs.is_empty() {
        epochs.remove(0);
    }
    epochs
}

/// The epochs that are whole: the line of all tasks is written last. What is no line of numbers, such as the header or one that a
/// crash cut off, is passed over.
fn epochs(text: &[u8]) -> Vec<EpochMetrics> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text);
    let rows = reader.deserialize::<MetricRow>().filter_map(Result::ok);
    let mut epochs = EpochMetrics::from_rows(rows);
    epochs.retain(|epoch| !epoch.harmonic_mean.is_nan());
    epochs
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "fixtures of tests need not survive a crash")]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    fn file(epochs: usize) -> String {
        let mut text = MetricRow::HEADER.join(",") + "\n";
        for epoch in 1..=epochs {
            let _ = write!(text, "3,{epoch},a,,0.5,0.9,0.8,0.7,\n3,{epoch},all,1.5,,,,0.25,0.001\n");
        }
        text
    }

    fn read(text: &str) -> Vec<EpochMetrics> {
        let folder = tempfile::tempdir().unwrap();
        let run = RunLayout::new(folder.path());
        assert!(last_epochs(&run).is_empty());
        std::fs::write(run.metrics(), text).unwrap();
        last_epochs(&run)
    }

    #[test]
    fn the_last_epochs_are_those_that_are_whole() {
        let epochs = read(&file(3));
        assert_eq!((epochs.len(), epochs[2].epoch, epochs[2].seed, epochs[2].harmonic_mean), (3, 2, 3, 0.25));
        let cut = file(3);
        assert_eq!(read(&cut[..cut.len() - 30]).len(), 2);
        assert!(read("").is_empty() && read("not,a,table\n\0\0\u{fffd}").is_empty());
    }

    #[test]
    fn of_a_long_file_the_end_is_read() {
        let epochs = read(&file(5_000));
        assert!(epochs.len() > 100 && epochs.len() < 2_000, "{}", epochs.len());
        assert_eq!(epochs.last().unwrap().epoch, 4_999);
        assert!(epochs.iter().all(|epoch| epoch.validation.len() == 1));
    }
}
