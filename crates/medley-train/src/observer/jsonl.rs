//! `events.jsonl`: what happened and when, one JSON object per line.

use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::time::SystemTime;

use anyhow::Context as _;
use fs_err::File;
use medley_core::record::{Event, EventLine};
use medley_storage::{Access, ConfinedFolder};

use super::Observer;

/// Appends an [`EventLine`] per event, each with one write, so that a reader sees whole lines.
///
/// Steps are thinned out and [`Event::ValidationProgress`] is left out: one is for curves, the other for bars.
#[derive(Debug)]
pub struct JsonLines {
    file: File,
    every_steps: usize,
    clock: fn() -> f64,
}

impl JsonLines {
    /// Appends to a file of a run folder, or begins it. Of the steps of an epoch, every `every_steps`-th is written, the first included; 0
    /// writes none. What a killed process has left of a line is cut off.
    ///
    /// # Errors
    /// When the file cannot be opened, read or cut, with its path.
    pub fn append(folder: &ConfinedFolder, path: &Path, every_steps: usize) -> anyhow::Result<Self> {
        let mut file = folder.open(path, Access::Append)?;
        cut_torn_line(&mut file).with_context(|| format!("cannot read `{}`", path.display()))?;
        Ok(Self { file, every_steps, clock: seconds_since_epoch })
    }

    fn is_written(&self, event: &Event) -> bool {
        match event {
            Event::ValidationProgress { .. } => false,
            Event::Step { step, .. } => self.every_steps > 0 && step % self.every_steps == 0,
            _ => true,
        }
    }
}

impl Observer for JsonLines {
    fn observe(&mut self, event: &Event) -> anyhow::Result<()> {
        if !self.is_written(event) {
            return Ok(());
        }
        let line = EventLine { time: (self.clock)(), event: event.clone() };
        let mut bytes = serde_json::to_vec(&line).context("cannot encode an event")?;
        bytes.push(b'\n');
        self.file.write_all(&bytes)?;
        self.file.flush()?;
        Ok(())
    }
}

/// Shortens a file to its last line end. A line that is longer than any event is no torn one.
fn cut_torn_line(file: &mut File) -> std::io::Result<()> {
    const BLOCK: u64 = 4096;
    const LONGEST: u64 = 16 << 20;
    let length = file.seek(SeekFrom::End(0))?;
    let mut end = length;
    while end > 0 {
        if length - end > LONGEST {
            return Err(std::io::Error::other("it ends in no line of an event; move it away to continue without it"));
        }
        let start = end.saturating_sub(BLOCK);
        let mut block = vec![0; (end - start) as usize];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(&mut block)?;
        if let Some(at) = block.iter().rposition(|&byte| byte == b'\n') {
            end = start + at as u64 + 1;
            break;
        }
        end = start;
    }
    if end < length { file.set_len(end) } else { Ok(()) }
}

/// Seconds since the Unix epoch; a clock before it reads 0.
pub(super) fn seconds_since_epoch() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::samples;
    use super::*;

    fn lines(path: &Path) -> Vec<EventLine> {
        let text = fs_err::read_to_string(path).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'));
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn write(path: &Path, every_steps: usize, events: &[Event]) {
        let mut observer = JsonLines::append(&ConfinedFolder::new(path.parent().unwrap()), path, every_steps).unwrap();
        observer.clock = || 12.5;
        for event in events {
            observer.observe(event).unwrap();
        }
    }

    #[test]
    fn events_are_read_back_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let events = [samples::run_started(4, false), samples::warning(), samples::epoch_finished(7, 0)];
        write(&path, 1, &events[..2]);
        write(&path, 1, &events[2..]);
        let read = lines(&path);
        assert_eq!(read.iter().map(|line| line.event.clone()).collect::<Vec<_>>(), events);
        assert!(read.iter().all(|line| line.time == 12.5));
        insta::assert_snapshot!(fs_err::read_to_string(&path).unwrap().lines().nth(1).unwrap(),
            @r#"{"time":12.5,"event":"warning","message":"a \"quoted\"\nline"}"#);
    }

    #[test]
    fn the_line_of_an_epoch_is_as_documented() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let mut event = samples::epoch_finished(7, 0);
        let Event::EpochFinished { metrics, images_per_second, .. } = &mut event else { unreachable!() };
        metrics.validation[0].loss = f64::NAN;
        *images_per_second = None;
        write(&path, 1, &[event]);
        insta::assert_snapshot!(fs_err::read_to_string(&path).unwrap().trim_end(), @r#"{"time":12.5,"event":"epoch_finished","seed":7,"epoch":0,"train_loss":1.5,"learning_rate":0.003,"validation":[{"task":"breastmnist","loss":null,"auc":0.9,"accuracy":0.75,"macro_f1":0.5},{"task":"octmnist","loss":0.30000000000000004,"auc":null,"accuracy":0.75,"macro_f1":0.3333333333333333}],"harmonic_mean":0.4,"best":true,"images_per_second":null,"data_wait":0.01}"#);
    }

    #[test]
    fn steps_are_thinned_out_and_progress_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let mut events: Vec<Event> = (0..5).map(|step| samples::step(7, 0, step, 1.0)).collect();
        events.push(samples::validation_progress());
        for (every_steps, expected) in [(0, 0), (1, 5), (2, 3), (4, 2), (50, 1)] {
            let path = folder.path().join(format!("{every_steps}.jsonl"));
            write(&path, every_steps, &events);
            assert_eq!(lines(&path).len(), expected, "every {every_steps}");
        }
    }

    #[test]
    fn values_that_are_not_finite_are_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        write(&path, 1, &[samples::step(7, 0, 0, f64::NAN), samples::step(7, 0, 1, f64::INFINITY)]);
        for line in lines(&path) {
            assert!(matches!(line.event, Event::Step { loss, .. } if loss.is_nan()));
        }
    }

    #[test]
    fn an_error_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("missing").join("events.jsonl");
        assert!(
            format!("{:#}", JsonLines::append(&ConfinedFolder::new(path.parent().unwrap()), &path, 1).unwrap_err())
                .contains("events.jsonl")
        );
    }

    proptest! {
        #[test]
        fn a_torn_line_is_cut_off(whole in 0_usize..3, torn in 0_usize..10_000) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("events.jsonl");
            write(&path, 1, &vec![samples::warning(); whole]);
            let mut bytes = fs_err::read(&path).unwrap();
            bytes.extend(std::iter::repeat_n(b'x', torn));
            fs_err::write(&path, bytes).unwrap();
            write(&path, 1, &[samples::warning()]);
            prop_assert_eq!(lines(&path).len(), whole + 1);
        }
    }
}
