//! Downloading published files: resumed where they broke off, verified before they get their name.
//!
//! A file arrives as `NAME.npz.part`, beside a `NAME.npz.part.etag` that says which version of it is being fetched. A later
//! attempt asks for the rest with `Range` and `If-Range`; a server that has another version by now, or knows no ranges,
//! sends the whole again. Only when the MD5 is the published one is the file renamed. A complete file with another MD5 is kept
//! as `NAME.npz.rejected` and never used.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use medley_storage::{RealFs, Storage as _};

use crate::archive::io_error;
use crate::registry::Entry;
use crate::{DataError, hash_file};

/// How to download.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchOptions {
    /// `{base_url}/{file}` is asked for instead of the published address.
    pub base_url: Option<String>,
    /// To connect, and to get an answer.
    pub timeout: Duration,
    /// For the whole body of one attempt.
    pub body_timeout: Duration,
    /// Attempts per file; between them a pause that doubles.
    pub attempts: u32,
    /// The first pause.
    pub backoff: Duration,
}

impl Default for FetchOptions {
    fn default() -> Self {
        Self {
            base_url: None,
            timeout: Duration::from_secs(30),
            body_timeout: Duration::from_hours(1),
            attempts: 4,
            backoff: Duration::from_secs(1),
        }
    }
}

/// What happened to one file.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fetched {
    /// It was there already, with the published MD5.
    Present,
    /// It was downloaded.
    Downloaded,
}

/// Called with (bytes so far, bytes in all if known).
pub type OnProgress<'a> = &'a (dyn Fn(u64, Option<u64>) + Sync);

/// Why an attempt failed, and whether another may help.
struct Failure {
    problem: String,
    temporary: bool,
}

impl Failure {
    fn temporary(problem: impl ToString) -> Self {
        Self { problem: problem.to_string(), temporary: true }
    }
}

/// Fetches one set of one size into a folder. A file that is there with another content is not touched.
///
/// # Errors
/// [`DataError::UnknownSize`], [`DataError::InTheWay`], [`DataError::Fetch`] after the last attempt, [`DataError::WrongHash`],
/// [`DataError::Io`] when the disk refuses.
pub fn fetch(
    entry: &Entry,
    size: usize,
    folder: &Path,
    options: &FetchOptions,
    progress: OnProgress<'_>,
) -> Result<Fetched, DataError> {
    let published = entry.file(size).ok_or_else(|| DataError::UnknownSize {
        name: entry.name.clone(),
        size,
        sizes: entry.sizes(),
    })?;
    let target = folder.join(entry.file_name(size));
    if target.exists() {
        return present(entry, &target);
    }
    fs_err::create_dir_all(folder).map_err(|source| io_error(folder, source))?;
    let url = options.base_url.as_ref().map_or_else(
        || published.url.clone(),
        |base| format!("{}/{}", base.trim_end_matches('/'), entry.file_name(size)),
    );
    let part = sibling(&target, "part");
    download(&url, &part, options, progress)?;
    let (actual, _) = hash_file(&part)?;
    if actual != published.md5 {
        let kept = sibling(&target, "rejected");
        RealFs.rename_synced(&part, &kept).map_err(|source| io_error(&kept, source))?;
        return Err(DataError::WrongHash { url, expected: published.md5.clone(), actual, kept });
    }
    RealFs.rename_synced(&part, &target).map_err(|source| io_error(&target, source))?;
    Ok(Fetched::Downloaded)
}

/// A file of any published generation is good.
fn present(entry: &Entry, target: &Path) -> Result<Fetched, DataError> {
    let (md5, _) = hash_file(target)?;
    if entry.releases.iter().flat_map(|release| &release.files).any(|file| file.md5 == md5) {
        Ok(Fetched::Present)
    } else {
        let problem = "is not the published file; move it away to fetch that";
        Err(DataError::InTheWay { path: target.to_owned(), problem })
    }
}

fn download(url: &str, part: &Path, options: &FetchOptions, progress: OnProgress<'_>) -> Result<(), DataError> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_connect(Some(options.timeout))
        .timeout_recv_response(Some(options.timeout))
        .timeout_recv_body(Some(options.body_timeout))
        .http_status_as_error(false)
        .user_agent(concat!("medley/", env!("CARGO_PKG_VERSION")))
        .build()
        .into();
    let mut pause = options.backoff;
    let mut attempt = 1;
    loop {
        match attempt_once(&agent, url, part, progress) {
            Ok(()) => return Ok(()),
            Err(failure) if failure.temporary && attempt < options.attempts => {
                tracing::info!("{url}: {}; another attempt in {pause:?}", failure.problem);
                std::thread::sleep(pause);
                pause = pause.saturating_mul(2).min(Duration::from_mins(1));
                attempt += 1;
            }
            Err(failure) => {
                let problem = format!("{} (attempt {attempt} of {})", failure.problem, options.attempts);
                return Err(DataError::Fetch { url: url.to_owned(), problem });
            }
        }
    }
}

/// Asks for what is missing and appends it.
fn attempt_once(agent: &ureq::Agent, url: &str, part: &Path, progress: OnProgress<'_>) -> Result<(), Failure> {
    let etag_file = sibling(part, "etag");
    let have = fs_err::metadata(part).map_or(0, |metadata| metadata.len());
    let etag = fs_err::read_to_string(&etag_file).ok().filter(|_| have > 0);
    let mut request = agent.get(url);
    if let Some(etag) = &etag {
        request = request.header("Range", format!("bytes={have}-")).header("If-Range", etag.as_str());
    }
    let mut response = request.call().map_err(Failure::temporary)?;
    let status = response.status().as_u16();
    let resumed = match status {
        200 => false,
        206 if etag.is_some() => true,
        // The part is as long as the file, or longer: the hash will tell, or the next attempt starts anew.
        416 => {
            let _ = fs_err::remove_file(&etag_file);
            let _ = fs_err::remove_file(part);
            return Err(Failure::temporary("the server does not have the rest of what was begun"));
        }
        408 | 429 | 500..=599 => return Err(Failure::temporary(format!("the server answers {status}"))),
        _ => return Err(Failure { problem: format!("the server answers {status}"), temporary: false }),
    };
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    // Weak tags do not promise equal bytes, so they cannot be resumed on.
    let tag = header("etag").filter(|tag| !tag.starts_with("W/"));
    let expected = header("content-length").and_then(|length| length.parse::<u64>().ok());
    let mut done = if resumed { have } else { 0 };
    let total = expected.map(|length| length + done);
    let local = |error: std::io::Error| Failure { problem: error.to_string(), temporary: false };
    if !resumed {
        match tag {
            Some(tag) => fs_err::write(&etag_file, tag).map_err(local)?,
            None => drop(fs_err::remove_file(&etag_file)),
        }
    }
    let mut file = open_part(part, resumed).map_err(local)?;
    let mut body = response.body_mut().as_reader();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read =
            body.read(&mut buffer).map_err(|error| Failure::temporary(format!("the connection broke: {error}")))?;
        if read == 0 {
            break;
        }
        file.write_all(&buffer[..read]).map_err(local)?;
        done += read as u64;
        progress(done, total);
    }
    if total.is_some_and(|total| done < total) {
        return Err(Failure::temporary(format!(
            "the connection ended after {done} of {} bytes",
            total.unwrap_or_default()
        )));
    }
    file.sync_all().map_err(local)?;
    let _ = fs_err::remove_file(&etag_file);
    Ok(())
}

fn open_part(part: &Path, append: bool) -> std::io::Result<fs_err::File> {
    fs_err::OpenOptions::new().create(true).write(true).append(append).truncate(!append).open(part)
}

fn sibling(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    PathBuf::from(name)
}
