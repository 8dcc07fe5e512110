//! What is asked for, and what is told meanwhile.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use medley_data::registry::{Entry, PublishedFile, Release};

use crate::FetchError;

/// Bytes of the headers of a file: its members, the archive, and what compression adds to what it cannot compress.
const HEADERS: u64 = 1 << 20;

/// How to download.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchOptions {
    /// `{base_url}/{file}` is asked for instead of the published address.
    pub base_url: Option<String>,
    /// `{mirror}/{file}` is asked for in turn, after the first address has failed.
    pub mirrors: Vec<String>,
    /// To connect, and to get an answer.
    pub timeout: Duration,
    /// The longest silence while the body arrives.
    pub stall: Duration,
    /// Attempts per address; between them a pause that doubles.
    pub attempts: u32,
    /// The first pause.
    pub backoff: Duration,
    /// The longest pause that a server may ask for (`Retry-After`); a longer one counts as a failure.
    pub longest_pause: Duration,
    /// Downloads at the same time in [`fetch_all`](crate::fetch_all).
    pub parallel: usize,
}

impl Default for FetchOptions {
    fn default() -> Self {
        Self {
            base_url: None,
            mirrors: Vec::new(),
            timeout: Duration::from_secs(30),
            stall: Duration::from_secs(30),
            attempts: 4,
            backoff: Duration::from_secs(1),
            longest_pause: Duration::from_mins(2),
            parallel: 3,
        }
    }
}

/// A file to be fetched.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// The set.
    pub entry: &'a Entry,
    /// Edge length in pixels.
    pub size: usize,
    /// A generation of files, such as `2.0-2.2.3`; `None` stands for the current one, and takes any that is there.
    pub release: Option<String>,
}

/// What happened to one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fetched {
    /// It was there already, with the published MD5.
    Present,
    /// It was downloaded.
    Downloaded,
}

/// What goes on with one file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FetchEvent {
    /// Another process is fetching the same file; its result is waited for.
    Waiting,
    /// An address is asked.
    Asking {
        /// The address.
        url: String,
        /// Bytes that are here already.
        have: u64,
    },
    /// Bytes arrive.
    Progress {
        /// Bytes so far, those of earlier attempts among them.
        done: u64,
        /// Bytes in all, if the server says.
        total: Option<u64>,
    },
    /// An attempt failed and another follows, at the same address or the next.
    Retrying {
        /// What happened.
        problem: String,
        /// How long until then.
        pause: Duration,
    },
    /// All is here; the MD5 is being computed.
    Verifying,
}

/// Called with what goes on.
pub type OnEvent<'a> = &'a (dyn Fn(FetchEvent) + Sync);

/// Stops downloads between two chunks: what has arrived is kept.
pub type Stop = AtomicBool;

impl<'a> Request<'a> {
    /// The current files of a set.
    pub fn current(entry: &'a Entry, size: usize) -> Self {
        Self { entry, size, release: None }
    }

    /// The published file that is meant.
    ///
    /// # Errors
    /// [`DataError::UnknownSize`](medley_data::DataError::UnknownSize); [`FetchError::Download`] when there is no such release or it has no such size.
    pub fn published(&self) -> Result<&'a PublishedFile, FetchError> {
        Ok(self.release_and_file()?.1)
    }

    /// The most bytes that the published file can have: those of its arrays, as compression only makes them fewer, and a little for
    /// headers. Labels may be of 8 bytes each.
    ///
    /// # Errors
    /// As [`Self::published`].
    pub fn most_bytes(&self) -> Result<u64, FetchError> {
        let (release, _) = self.release_and_file()?;
        let spec = self.entry.spec(self.size, self.entry.origin);
        let row = spec.shape.len() as u64 + 8 * spec.label_width() as u64;
        let rows: u64 = release.rows.iter().map(|&rows| rows as u64).sum();
        Ok(rows * row + HEADERS)
    }

    fn release_and_file(&self) -> Result<(&'a Release, &'a PublishedFile), FetchError> {
        let entry = self.entry;
        let of_size = |release: &'a Release| release.files.iter().find(|file| file.size == self.size);
        let Some(name) = &self.release else {
            let current = entry.releases.first().and_then(|release| Some((release, of_size(release)?)));
            return current.ok_or_else(|| entry.unknown_size(self.size).into());
        };
        let fail = |problem: String| FetchError::Download { url: entry.file_name(self.size), problem };
        let names: Vec<&str> = entry.releases.iter().map(|release| release.name.as_str()).collect();
        let release = entry.release(name).ok_or_else(|| {
            fail(format!("there is no release `{name}` of {}; there is {}", entry.title, names.join(", ")))
        })?;
        let file = of_size(release).ok_or_else(|| {
            let sizes: Vec<String> = release.files.iter().map(|file| file.size.to_string()).collect();
            fail(format!("release {name} of {} has no size {}; it has {}", entry.title, self.size, sizes.join(", ")))
        })?;
        Ok((release, file))
    }

    /// Whether a file with this MD5 is what is meant.
    pub(crate) fn accepts(&self, md5: &str, published: &PublishedFile) -> bool {
        match self.release {
            Some(_) => published.md5 == md5,
            None => self.entry.releases.iter().flat_map(|release| &release.files).any(|file| file.md5 == md5),
        }
    }
}

/// Sleeps, but wakes for a stop.
pub(crate) fn sleep(pause: Duration, stop: &Stop) {
    let end = Instant::now() + pause;
    while !stop.load(Ordering::SeqCst) {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        std::thread::sleep(left.min(Duration::from_millis(100)));
    }
}
