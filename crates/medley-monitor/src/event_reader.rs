//! The `events.jsonl` of a run, read as it grows.

use std::io::{Read as _, Seek as _, SeekFrom};

use anyhow::Context as _;
use fs_err::File;
use medley_core::RunLayout;
use medley_core::record::EventLine;
use medley_storage::ConfinedFolder;

use crate::History;

/// What is read at once.
const BLOCK: usize = 1 << 16;
/// No line of an event is longer.
const LONGEST_LINE: usize = 16 << 20;

/// A file that another process appends lines to.
#[derive(Debug)]
pub struct EventReader {
    file: File,
    /// What was read of a line that is not whole yet.
    rest: Vec<u8>,
    at: u64,
}

impl EventReader {
    /// Opens the events of a run folder.
    ///
    /// # Errors
    /// When there is none, or it is a link or no regular file, with its path.
    pub fn of_run(run: &RunLayout) -> anyhow::Result<Self> {
        let file = ConfinedFolder::new(run.root()).open_file(&run.events())?;
        Ok(Self { file, rest: Vec::new(), at: 0 })
    }

    /// Adds what was written since the last call to a history. Lines that are no events, such as those of a later version, are passed
    /// over; a file that has become shorter is followed from its new end.
    ///
    /// # Errors
    /// When the file cannot be read, with its path; or a line is longer than any event.
    pub fn follow(&mut self, history: &mut History) -> anyhow::Result<()> {
        let length = self.file.metadata()?.len();
        if length < self.at {
            // Cut to its last whole line, after the process that wrote it was killed.
            (self.at, self.rest) = (length, Vec::new());
        }
        self.file.seek(SeekFrom::Start(self.at))?;
        let mut block = vec![0; BLOCK];
        loop {
            let count = self.file.read(&mut block)?;
            if count == 0 {
                return Ok(());
            }
            self.at += count as u64;
            self.rest.extend_from_slice(&block[..count]);
            self.take_lines(history);
            if self.rest.len() > LONGEST_LINE {
                anyhow::bail!("a line is longer than {LONGEST_LINE} bytes: this is no file of events");
            }
        }
    }

    fn take_lines(&mut self, history: &mut History) {
        let Some(end) = self.rest.iter().rposition(|&byte| byte == b'\n') else { return };
        for line in self.rest[..end].split(|&byte| byte == b'\n') {
            if let Ok(line) = serde_json::from_slice::<EventLine>(line) {
                history.add(line.time, &line.event);
            }
        }
        self.rest.drain(..=end);
    }
}

/// The history of a run so far, from its file.
///
/// # Errors
/// As [`EventReader::of_run`] and [`EventReader::follow`].
impl TryFrom<&RunLayout> for History {
    type Error = anyhow::Error;

    fn try_from(run: &RunLayout) -> Result<Self, Self::Error> {
        let mut history = Self::default();
        let mut file = EventReader::of_run(run)?;
        file.follow(&mut history).with_context(|| format!("cannot read `{}`", run.events().display()))?;
        Ok(history)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use medley_core::record::Event;

    use super::*;

    fn line(message: &str) -> String {
        let line = EventLine { time: 1.0, event: Event::Warning { message: message.into() } };
        serde_json::to_string(&line).unwrap() + "\n"
    }

    #[test]
    fn lines_are_read_once_they_are_whole() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunLayout::new(folder.path());
        assert!(EventReader::of_run(&run).is_err());
        let mut written = std::fs::File::create(run.events()).unwrap();
        let (mut history, mut file) = (History::default(), EventReader::of_run(&run).unwrap());
        let (whole, half) = (line("one"), line("two"));
        write!(written, "{whole}{}", &half[..20]).unwrap();
        file.follow(&mut history).unwrap();
        assert_eq!(history.log().collect::<Vec<_>>(), ["warning: one"]);
        write!(written, "{}{{\"event\":\"of a later version\"}}\nnot json\n{}", &half[20..], line("three")).unwrap();
        file.follow(&mut history).unwrap();
        assert_eq!(history.log().collect::<Vec<_>>(), ["warning: one", "warning: two", "warning: three"]);
        file.follow(&mut history).unwrap();
        assert_eq!(history.log().len(), 3, "nothing is told twice");
    }

    #[test]
    fn a_file_that_was_cut_is_followed_from_there() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunLayout::new(folder.path());
        std::fs::write(run.events(), line("one") + &line("two")[..9]).unwrap();
        let (mut history, mut file) = (History::default(), EventReader::of_run(&run).unwrap());
        file.follow(&mut history).unwrap();
        std::fs::write(run.events(), line("one")).unwrap();
        file.follow(&mut history).unwrap();
        std::fs::write(run.events(), line("one") + &line("three")).unwrap();
        file.follow(&mut history).unwrap();
        assert_eq!(history.log().collect::<Vec<_>>(), ["warning: one", "warning: three"]);
    }
}
