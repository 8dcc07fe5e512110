//! Lines of a list: how long they may be, and what is wrong with them. The first are told with their numbers, all are counted.
//!
//! While a list is read only the place of each line is known, in bytes: the reader's own count of lines is behind by those that it
//! skips, and by the second half of a line break of two characters. Numbers are counted afterwards, for the few lines that need one.

use std::io::{self, BufRead as _, BufReader, Read};
use std::path::Path;

use medley_data::DataError;
use medley_storage::open_file;

use crate::ImportError;
use crate::import::listing::{TOLD, refuse, refuse_all};

/// Problems by the place of their line.
#[derive(Debug, Default)]
pub(super) struct Problems {
    /// The first ones, sorted.
    first: Vec<(u64, String)>,
    count: usize,
}

impl Problems {
    /// Adds a problem with the line that begins at this byte, or after the line breaks that stand there.
    pub(super) fn add(&mut self, offset: u64, problem: impl FnOnce() -> String) {
        self.count += 1;
        let at = self.first.partition_point(|(other, _)| *other <= offset);
        if at < TOLD {
            self.first.insert(at, (offset, problem()));
            self.first.truncate(TOLD);
        }
    }

    /// The error for all of them, if there are any.
    pub(super) fn refuse(self, csv: &Path) -> Result<(), ImportError> {
        if self.count == 0 {
            return Ok(());
        }
        let offsets: Vec<u64> = self.first.iter().map(|(offset, _)| *offset).collect();
        let numbers =
            numbers(open_file(csv).map_err(DataError::from)?, &offsets).map_err(|source| DataError::io(csv, source))?;
        let told: Vec<String> =
            numbers.iter().zip(self.first).map(|(number, (_, problem))| format!("line {number}: {problem}")).collect();
        Err(refuse_all(csv, "line", "cannot be used", self.count, &told))
    }
}

/// The error for one line.
pub(super) fn refuse_line(csv: &Path, offset: u64, problem: String) -> ImportError {
    let mut problems = Problems::default();
    problems.add(offset, || problem);
    match problems.refuse(csv) {
        Err(error) => error,
        Ok(()) => refuse(csv, "it cannot be read"),
    }
}

/// The longest line that is read, bytes.
const MAX_LINE: u64 = 1 << 20;

/// A file that is read up to a line that is too long.
pub(super) struct LimitedLines<R> {
    file: R,
    /// Bytes since the last line break.
    length: u64,
}

/// A line that is longer than [`MAX_LINE`].
#[derive(Debug, thiserror::Error)]
#[error("it has more than {} bytes; a line holds one image", MAX_LINE)]
pub(super) struct TooLong;

impl TooLong {
    /// Whether this is why reading failed.
    pub(super) fn is(error: &io::Error) -> bool {
        error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<Self>)
    }
}

impl<R> LimitedLines<R> {
    pub(super) fn new(file: R) -> Self {
        Self { file, length: 0 }
    }
}

impl<R: Read> Read for LimitedLines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        for chunk in buffer[..read].split_inclusive(|byte| matches!(byte, b'\n' | b'\r')) {
            self.length += chunk.len() as u64;
            if self.length > MAX_LINE {
                return Err(io::Error::other(TooLong));
            }
            if chunk.ends_with(b"\n") || chunk.ends_with(b"\r") {
                self.length = 0;
            }
        }
        Ok(read)
    }
}

/// The numbers of the lines that begin at these bytes, which are sorted. A line ends with `\n`, `\r\n` or `\r`.
fn numbers(file: impl Read, offsets: &[u64]) -> io::Result<Vec<u64>> {
    let mut reader = BufReader::new(file);
    let (mut numbers, mut place, mut line, mut after_return) = (Vec::new(), 0, 1, false);
    while numbers.len() < offsets.len() {
        let bytes = reader.fill_buf()?;
        if bytes.is_empty() {
            // The file became shorter meanwhile.
            numbers.resize(offsets.len(), line);
            break;
        }
        for &byte in bytes {
            match byte {
                b'\n' => line += u64::from(!after_return),
                b'\r' => line += 1,
                _ => {
                    while offsets.get(numbers.len()).is_some_and(|&offset| offset <= place) {
                        numbers.push(line);
                    }
                }
            }
            after_return = byte == b'\r';
            place += 1;
        }
        let read = bytes.len();
        reader.consume(read);
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_as_editors_do() {
        for (text, places, expected) in [
            ("a\nb\nc", vec![0, 2, 4], vec![1, 2, 3]),
            // The reader says that a line begins at the second half of the line break before it.
            ("a\r\nb\r\nc\r\n", vec![0, 2, 5], vec![1, 2, 3]),
            ("a\rb\rc", vec![0, 2, 4], vec![1, 2, 3]),
            ("a\n\n\r\n\nb\n", vec![0, 2], vec![1, 5]),
            ("\"a\nb\"\nc", vec![0, 6], vec![1, 3]),
            ("a", vec![0, 99], vec![1, 1]),
        ] {
            assert_eq!(numbers(text.as_bytes(), &places).unwrap(), expected, "{text:?}");
        }
    }

    #[test]
    fn lines_are_limited_and_files_are_not() {
        let read = |text: String| LimitedLines::new(text.as_bytes()).read_to_end(&mut Vec::new());
        let line = "x".repeat(MAX_LINE as usize - 1);
        assert_eq!(read(format!("{line}\n{line}\r\n{line}")).unwrap(), 3 * line.len() + 3);
        assert!(TooLong::is(&read(format!("a\n{line}xx")).unwrap_err()));
    }

    #[test]
    fn the_first_ones_are_kept() {
        let mut problems = Problems::default();
        for offset in (0..1_000).rev() {
            problems.add(offset, || offset.to_string());
        }
        assert_eq!((problems.count, problems.first.len()), (1_000, TOLD));
        assert_eq!(problems.first[0], (0, "0".to_owned()));
    }
}
