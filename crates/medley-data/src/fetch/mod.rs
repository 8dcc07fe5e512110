//! Downloading published files: resumed where they broke off, verified before they get their name.
//!
//! A file arrives as `NAME.npz.part`, beside a `NAME.npz.part.from` that says which version of it is being fetched. A later
//! attempt asks for the rest with `Range` and `If-Range`; a server that has another version by now, or knows no ranges,
//! sends the whole again. Only when the MD5 is the published one is the file renamed. A complete file with another MD5 is kept
//! as `NAME.npz.rejected` and never used, and nothing is fetched again until somebody has looked at it and taken it away.
//!
//! Addresses are tried in turn: the published one (or a base of the caller's), then mirrors. At each, failures that may pass
//! are tried again after a pause, which doubles, or which the server names. Processes that want the same file wait for
//! each other: the part is locked while it grows.
//!
//! Decisions (`policy`) are apart from the network (`transfer`) and from the disk (`part`).

mod part;
mod policy;
mod transfer;

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use medley_storage::{RealFs, Storage as _, StorageError};

use self::part::{Part, sibling};
use self::policy::{Next, Retry};
use self::transfer::{Agent, Trouble};
use crate::registry::{Entry, PublishedFile};
use crate::{DataError, hash_file};

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
    /// Downloads at the same time in [`fetch_all`].
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

/// Stops downloads between two pieces: what has arrived is kept.
pub type Stop = AtomicBool;

impl<'a> Request<'a> {
    /// The current files of a set.
    pub fn current(entry: &'a Entry, size: usize) -> Self {
        Self { entry, size, release: None }
    }

    /// The published file that is meant.
    ///
    /// # Errors
    /// [`DataError::UnknownSize`], [`DataError::Fetch`] when there is no such release or it has no such size.
    pub fn published(&self) -> Result<&'a PublishedFile, DataError> {
        let entry = self.entry;
        let Some(name) = &self.release else {
            return entry.file(self.size).ok_or_else(|| DataError::UnknownSize {
                name: entry.name.clone(),
                size: self.size,
                sizes: entry.sizes(),
            });
        };
        let fail = |problem: String| DataError::Fetch { url: entry.file_name(self.size), problem };
        let names: Vec<&str> = entry.releases.iter().map(|release| release.name.as_str()).collect();
        let release = entry.release(name).ok_or_else(|| {
            fail(format!("there is no release `{name}` of {}; there is {}", entry.title, names.join(", ")))
        })?;
        release.files.iter().find(|file| file.size == self.size).ok_or_else(|| {
            let sizes: Vec<String> = release.files.iter().map(|file| file.size.to_string()).collect();
            fail(format!("release {name} of {} has no size {}; it has {}", entry.title, self.size, sizes.join(", ")))
        })
    }

    /// Whether a file with this MD5 is what is meant.
    fn accepts(&self, md5: &str, published: &PublishedFile) -> bool {
        match self.release {
            Some(_) => published.md5 == md5,
            None => self.entry.releases.iter().flat_map(|release| &release.files).any(|file| file.md5 == md5),
        }
    }
}

/// Fetches several files, at most [`FetchOptions::parallel`] at a time. The outcomes are in the order of the requests; one that
/// fails does not keep the others from arriving. `on_event` gets the index of the request.
pub fn fetch_all(
    requests: &[Request<'_>],
    folder: &Path,
    options: &FetchOptions,
    stop: &Stop,
    on_event: &(dyn Fn(usize, FetchEvent) + Sync),
) -> Vec<Result<Fetched, DataError>> {
    let next = AtomicUsize::new(0);
    let outcomes: Mutex<Vec<Option<Result<Fetched, DataError>>>> =
        Mutex::new(std::iter::repeat_with(|| None).take(requests.len()).collect());
    std::thread::scope(|scope| {
        for _ in 0..options.parallel.clamp(1, requests.len().max(1)) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(request) = requests.get(index) else { break };
                    let outcome = fetch(request, folder, options, stop, &|event| on_event(index, event));
                    if let Ok(mut outcomes) = outcomes.lock() {
                        outcomes[index] = Some(outcome);
                    }
                }
            });
        }
    });
    let outcomes = outcomes.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    let lost = |request: &Request<'_>| stopped(&request.entry.file_name(request.size));
    outcomes.into_iter().zip(requests).map(|(outcome, request)| outcome.unwrap_or_else(|| Err(lost(request)))).collect()
}

/// Fetches one file into a folder. A file that is there with another content is not touched.
///
/// # Errors
/// [`DataError::UnknownSize`]; [`DataError::InTheWay`]; [`DataError::Fetch`] after the last attempt at the last address, or when it
/// was stopped; [`DataError::WrongHash`]; [`DataError::Storage`] when the disk refuses, is full or may not be written.
pub fn fetch(
    request: &Request<'_>,
    folder: &Path,
    options: &FetchOptions,
    stop: &Stop,
    on_event: OnEvent<'_>,
) -> Result<Fetched, DataError> {
    let published = request.published()?;
    let target = folder.join(request.entry.file_name(request.size));
    if stop.load(Ordering::SeqCst) {
        return Err(stopped(&published.url));
    }
    if target.symlink_metadata().is_ok() {
        return present(request, published, &target);
    }
    fs_err::create_dir_all(folder).map_err(|source| refused(folder, source))?;
    let Some(mut part) = Part::claim(&target, stop, on_event)? else {
        // Whoever held it has finished.
        return if target.exists() {
            present(request, published, &target)
        } else {
            Err(stopped(&target.to_string_lossy()))
        };
    };
    if let Err(error) = check_rejected(&target) {
        part.abandon();
        return Err(error);
    }
    let agent = Agent::new(options);
    let urls = policy::addresses(published, &request.entry.file_name(request.size), options);
    let mut failures: Vec<DataError> = Vec::new();
    for url in &urls {
        match from_address(&agent, url, &mut part, published, options, stop, on_event) {
            Ok(()) => {
                part.finish(&target)?;
                return Ok(Fetched::Downloaded);
            }
            // Another address helps neither against a full disk nor against a wish to stop.
            Err(error) if matches!(error, DataError::Storage(_)) || stop.load(Ordering::SeqCst) => {
                part.abandon();
                return Err(error);
            }
            Err(error) => {
                if urls.len() > failures.len() + 1 {
                    on_event(FetchEvent::Retrying { problem: error.to_string(), pause: Duration::ZERO });
                }
                failures.push(error);
            }
        }
    }
    part.abandon();
    Err(together(failures, &target))
}

/// Fetches from one address and verifies. A part that was begun in an earlier session and turns out wrong is fetched anew, once.
fn from_address(
    agent: &Agent,
    url: &str,
    part: &mut Part,
    published: &PublishedFile,
    options: &FetchOptions,
    stop: &Stop,
    on_event: OnEvent<'_>,
) -> Result<(), DataError> {
    let mut begun_before = part.len() > 0;
    loop {
        download(agent, url, part, options, stop, on_event)?;
        on_event(FetchEvent::Verifying);
        let (actual, _) = hash_file(part.path())?;
        if actual == published.md5 {
            return Ok(());
        }
        if !begun_before {
            let kept = part.reject()?;
            return Err(DataError::WrongHash { url: url.to_owned(), expected: published.md5.clone(), actual, kept });
        }
        begun_before = false;
        part.restart()?;
        let problem = "what was begun earlier does not fit what came now; it is fetched anew".to_owned();
        on_event(FetchEvent::Retrying { problem, pause: Duration::ZERO });
    }
}

/// Attempts at one address until the body is complete.
fn download(
    agent: &Agent,
    url: &str,
    part: &mut Part,
    options: &FetchOptions,
    stop: &Stop,
    on_event: OnEvent<'_>,
) -> Result<(), DataError> {
    let mut retry = Retry::new(options);
    loop {
        on_event(FetchEvent::Asking { url: url.to_owned(), have: part.len() });
        let before = part.len();
        let failure = match agent.attempt(url, part, stop, on_event) {
            Ok(()) => return Ok(()),
            Err(Trouble::Disk(source)) => return Err(refused(part.path(), source)),
            Err(Trouble::Stopped) => return Err(stopped(url)),
            Err(Trouble::Network(failure)) => failure,
        };
        match retry.next(&failure, part.len() > before) {
            Next::GiveUp(problem) => return Err(DataError::Fetch { url: url.to_owned(), problem }),
            Next::After(pause) => {
                on_event(FetchEvent::Retrying { problem: failure.problem, pause });
                sleep(pause, stop);
                if stop.load(Ordering::SeqCst) {
                    return Err(stopped(url));
                }
            }
        }
    }
}

/// What lies at the target is good if it is a published file that was asked for.
fn present(request: &Request<'_>, published: &PublishedFile, target: &Path) -> Result<Fetched, DataError> {
    let in_the_way = |problem: &'static str| Err(DataError::InTheWay { path: target.to_owned(), problem });
    if !target.is_file() {
        return in_the_way("is no regular file; move it away to fetch the published one");
    }
    let (md5, _) = hash_file(target)?;
    if request.accepts(&md5, published) {
        Ok(Fetched::Present)
    } else if request.entry.releases.iter().flat_map(|release| &release.files).any(|file| file.md5 == md5) {
        in_the_way("is of another release than the one asked for; move it away, or fetch into another folder")
    } else {
        in_the_way("is not the published file; move it away to fetch that")
    }
}

/// A wrong file that nobody has looked at would come again from the same place.
fn check_rejected(target: &Path) -> Result<(), DataError> {
    let kept = sibling(target, "rejected");
    if kept.symlink_metadata().is_err() {
        return Ok(());
    }
    let problem = "is an earlier download that was not the published file; take it away to fetch again";
    Err(DataError::InTheWay { path: kept, problem })
}

/// One error for all addresses: a wrong file matters more than an address that does not answer.
fn together(mut failures: Vec<DataError>, target: &Path) -> DataError {
    if let Some(wrong) = failures.iter().position(|failure| matches!(failure, DataError::WrongHash { .. })) {
        return failures.swap_remove(wrong);
    }
    if failures.len() == 1 {
        return failures.swap_remove(0);
    }
    let said = |failure: &DataError| match failure {
        DataError::Fetch { url, problem } => format!("{url}: {problem}"),
        other => other.to_string(),
    };
    let problems: Vec<String> = failures.iter().map(said).collect();
    DataError::Fetch { url: target.to_string_lossy().into_owned(), problem: problems.join("; ") }
}

fn stopped(url: &str) -> DataError {
    let problem = "stopped; what has arrived is kept, and the same command goes on from there".to_owned();
    DataError::Fetch { url: url.to_owned(), problem }
}

fn refused(path: &Path, source: std::io::Error) -> DataError {
    DataError::Storage(StorageError::Io { path: path.to_owned(), source })
}

/// Sleeps, but wakes for a stop.
fn sleep(pause: Duration, stop: &Stop) {
    let end = Instant::now() + pause;
    while !stop.load(Ordering::SeqCst) {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        std::thread::sleep(left.min(Duration::from_millis(100)));
    }
}

/// Gives a file its final name.
fn rename(from: &Path, to: &Path) -> Result<(), DataError> {
    RealFs.rename_synced(from, to).map_err(|source| refused(to, source))
}
