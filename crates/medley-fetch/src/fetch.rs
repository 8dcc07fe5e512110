//! From a request to a verified file: addresses in turn, attempts at each.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use medley_data::hash_file;
use medley_data::registry::PublishedFile;
use medley_storage::create_folder;

use crate::part::{Part, refused, sibling};
use crate::policy::{self, Next, Retry};
use crate::request::sleep;
use crate::transfer::{Agent, TransferError};
use crate::{FetchError, FetchEvent, FetchOptions, Fetched, OnEvent, Request, Stop};

/// Fetches several files, at most [`FetchOptions::parallel`] at a time. The outcomes are in the order of the requests; one that
/// fails does not keep the others from arriving. `on_event` gets the index of the request.
pub fn fetch_all(
    requests: &[Request<'_>],
    folder: &Path,
    options: &FetchOptions,
    stop: &Stop,
    on_event: &(dyn Fn(usize, FetchEvent) + Sync),
) -> Vec<Result<Fetched, FetchError>> {
    let next = AtomicUsize::new(0);
    let outcomes: Mutex<Vec<Option<Result<Fetched, FetchError>>>> =
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
/// [`DataError::UnknownSize`](medley_data::DataError::UnknownSize); [`FetchError::InTheWay`]; [`FetchError::Download`] after the last attempt at the last address, or when it
/// was stopped; [`FetchError::WrongHash`]; [`FetchError::Storage`] when the disk refuses, is full or may not be written.
pub fn fetch(
    request: &Request<'_>,
    folder: &Path,
    options: &FetchOptions,
    stop: &Stop,
    on_event: OnEvent<'_>,
) -> Result<Fetched, FetchError> {
    let published = request.published()?;
    let target = folder.join(request.entry.file_name(request.size));
    if stop.load(Ordering::SeqCst) {
        return Err(stopped(&published.url));
    }
    if target.symlink_metadata().is_ok() {
        return present(request, published, &target);
    }
    create_folder(folder)?;
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
    let most = request.most_bytes()?;
    let wanted = Wanted { agent: Agent::new(options), published, most, options, stop, on_event };
    let urls = policy::addresses(published, &request.entry.file_name(request.size), options);
    let mut failures: Vec<FetchError> = Vec::new();
    for url in &urls {
        match wanted.at_address(url, &mut part) {
            Ok(()) => {
                part.finish(&target)?;
                return Ok(Fetched::Downloaded);
            }
            // Another address helps neither against a full disk nor against a wish to stop.
            Err(error) if matches!(error, FetchError::Storage(_)) || stop.load(Ordering::SeqCst) => {
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

/// What is fetched and how, wherever from.
struct Wanted<'a> {
    agent: Agent,
    published: &'a PublishedFile,
    /// The most bytes that it can have.
    most: u64,
    options: &'a FetchOptions,
    stop: &'a Stop,
    on_event: OnEvent<'a>,
}

impl Wanted<'_> {
    /// Fetches from one address and verifies. A part that was begun in an earlier session and turns out wrong is fetched anew, once.
    fn at_address(&self, url: &str, part: &mut Part) -> Result<(), FetchError> {
        let mut begun_before = part.len() > 0;
        loop {
            self.download(url, part)?;
            (self.on_event)(FetchEvent::Verifying);
            let (actual, _) = hash_file(part.path())?;
            let expected = self.published.md5.clone();
            if actual == expected {
                return Ok(());
            }
            if !begun_before {
                let kept = part.reject()?;
                return Err(FetchError::WrongHash { url: url.to_owned(), expected, actual, kept });
            }
            begun_before = false;
            part.restart()?;
            let problem = "what was begun earlier does not fit what came now; it is fetched again".to_owned();
            (self.on_event)(FetchEvent::Retrying { problem, pause: Duration::ZERO });
        }
    }

    /// Attempts at one address until the body is complete.
    fn download(&self, url: &str, part: &mut Part) -> Result<(), FetchError> {
        if part.len() > self.most {
            part.restart()?;
        }
        let mut retry = Retry::new(self.options, part.len());
        loop {
            (self.on_event)(FetchEvent::Asking { url: url.to_owned(), have: part.len() });
            let failure = match self.agent.attempt(url, part, self.most, self.stop, self.on_event) {
                Ok(()) => return Ok(()),
                Err(TransferError::Disk(source)) => return Err(refused(part.path(), source)),
                Err(TransferError::Stopped) => return Err(stopped(url)),
                Err(TransferError::Network(failure)) => failure,
            };
            match retry.next(&failure, part.len()) {
                Next::GiveUp(problem) => return Err(FetchError::Download { url: url.to_owned(), problem }),
                Next::After(pause) => {
                    (self.on_event)(FetchEvent::Retrying { problem: failure.problem, pause });
                    sleep(pause, self.stop);
                    if self.stop.load(Ordering::SeqCst) {
                        return Err(stopped(url));
                    }
                }
            }
        }
    }
}

/// What lies at the target is good if it is a published file that was asked for.
fn present(request: &Request<'_>, published: &PublishedFile, target: &Path) -> Result<Fetched, FetchError> {
    let in_the_way = |problem: &'static str| Err(FetchError::InTheWay { path: target.to_owned(), problem });
    if !target.is_file() {
        return in_the_way("is not a regular file; move it away to download the published one");
    }
    let (md5, _) = hash_file(target)?;
    if request.accepts(&md5, published) {
        Ok(Fetched::Present)
    } else if request.entry.releases.iter().flat_map(|release| &release.files).any(|file| file.md5 == md5) {
        in_the_way("is of another release than the one asked for; move it away, or download into another folder")
    } else {
        in_the_way("is not the published file; move it away to download that")
    }
}

/// A wrong file that nobody has looked at would come again from the same place.
fn check_rejected(target: &Path) -> Result<(), FetchError> {
    let kept = sibling(target, "rejected");
    if kept.symlink_metadata().is_err() {
        return Ok(());
    }
    let problem = "is an earlier download with a wrong MD5; delete it to download again";
    Err(FetchError::InTheWay { path: kept, problem })
}

/// One error for all addresses: a wrong file matters more than an address that does not answer.
fn together(mut failures: Vec<FetchError>, target: &Path) -> FetchError {
    if let Some(wrong) = failures.iter().position(|failure| matches!(failure, FetchError::WrongHash { .. })) {
        return failures.swap_remove(wrong);
    }
    if failures.len() == 1 {
        return failures.swap_remove(0);
    }
    let said = |failure: &FetchError| match failure {
        FetchError::Download { url, problem } => format!("{url}: {problem}"),
        other => other.to_string(),
    };
    let problems: Vec<String> = failures.iter().map(said).collect();
    FetchError::Download { url: target.to_string_lossy().into_owned(), problem: problems.join("; ") }
}

fn stopped(url: &str) -> FetchError {
    let problem = "stopped; what has arrived is kept, and the same command resumes the download".to_owned();
    FetchError::Download { url: url.to_owned(), problem }
}
