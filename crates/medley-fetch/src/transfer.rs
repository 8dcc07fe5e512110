//! One exchange with a server: asks for what is missing and appends it.

use std::io::{self, Read};
use std::sync::atomic::Ordering;

use ureq::http::Response;

use crate::part::Part;
use crate::policy::{Failure, content_range, retry_after};
use crate::{FetchEvent, FetchOptions, OnEvent, Stop};

/// The largest file that is taken from a server; the largest published one has 13 GB.
const MAX_BYTES: u64 = 64 << 30;

/// Connections to servers.
pub(crate) struct Agent(ureq::Agent);

/// Why an attempt ended early.
#[derive(Debug)]
pub(crate) enum TransferError {
    /// The server or the line.
    Network(Failure),
    /// This machine.
    Disk(io::Error),
    /// The user.
    Stopped,
}

impl From<Failure> for TransferError {
    fn from(failure: Failure) -> Self {
        Self::Network(failure)
    }
}

impl Agent {
    pub(crate) fn new(options: &FetchOptions) -> Self {
        // No limit on the whole body: 13 GB take hours on a slow line. Silence is what ends an attempt.
        let config = ureq::Agent::config_builder()
            .timeout_resolve(Some(options.timeout))
            .timeout_connect(Some(options.timeout))
            .timeout_send_request(Some(options.timeout))
            .timeout_recv_response(Some(options.timeout))
            .timeout_per_read(Some(options.stall))
            .http_status_as_error(false)
            // Bytes as they lie on the server: a range of a compressed transfer is none of the file.
            .accept_encoding("identity")
            .user_agent(concat!("medley/", env!("CARGO_PKG_VERSION")));
        Self(config.build().into())
    }

    /// Asks for what is missing and appends it until the body ends.
    pub(crate) fn attempt(
        &self,
        url: &str,
        part: &mut Part,
        stop: &Stop,
        on_event: OnEvent<'_>,
    ) -> Result<(), TransferError> {
        let version = part.version();
        let mut request = self.0.get(url);
        if let Some(version) = &version {
            request = request.header("Range", format!("bytes={}-", part.len())).header("If-Range", version.as_str());
        }
        let mut response = request.call().map_err(Failure::temporary)?;
        let total = match prepare(&response, part, version.is_some())? {
            Some(total) if total > MAX_BYTES => {
                return Err(Failure::permanent(format!(
                    "the server offers {total} bytes, more than any published file"
                ))
                .into());
            }
            total => total,
        };
        on_event(FetchEvent::Progress { done: part.len(), total });
        copy(&mut response.body_mut().as_reader(), part, total, stop, on_event)
    }
}

/// Reads the head of an answer and makes the part ready for its body. Gives the length of the whole file.
fn prepare(
    response: &Response<ureq::Body>,
    part: &mut Part,
    asked_for_rest: bool,
) -> Result<Option<u64>, TransferError> {
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
    let length = || header("content-length").and_then(|length| length.parse::<u64>().ok());
    match response.status().as_u16() {
        200 => {
            // Weak tags do not promise equal bytes, so they cannot be resumed on. A date can, as the MD5 has the last word.
            let tag = header("etag").filter(|tag| !tag.starts_with("W/")).or_else(|| header("last-modified"));
            part.begin(tag).map_err(TransferError::Disk)?;
            Ok(length())
        }
        206 if asked_for_rest => {
            let have = part.len();
            if let Some((_, total)) =
                header("content-range").and_then(content_range).filter(|&(first, _)| first == have)
            {
                return Ok(total.or_else(|| length().and_then(|length| length.checked_add(have))));
            }
            part.begin(None).map_err(TransferError::Disk)?;
            Err(Failure::temporary("the server sent another range than requested").into())
        }
        // The part is as long as the file, or longer.
        416 if asked_for_rest => {
            part.begin(None).map_err(TransferError::Disk)?;
            Err(Failure::temporary("the server does not have the rest of the partial download").into())
        }
        status => {
            let asked = header("retry-after").and_then(|value| retry_after(value, header("date")));
            Err(Failure::of_status(status, asked).into())
        }
    }
}

/// Appends a body to a part, chunk by chunk.
fn copy(
    body: &mut impl Read,
    part: &mut Part,
    total: Option<u64>,
    stop: &Stop,
    on_event: OnEvent<'_>,
) -> Result<(), TransferError> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        if stop.load(Ordering::SeqCst) {
            return Err(TransferError::Stopped);
        }
        let read = match body.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Failure::temporary(format!("the connection broke: {error}")).into()),
        };
        if part.len() + read as u64 > total.unwrap_or(MAX_BYTES) {
            part.begin(None).map_err(TransferError::Disk)?;
            return Err(Failure::permanent("the server sent more bytes than it announced").into());
        }
        part.append(&buffer[..read]).map_err(TransferError::Disk)?;
        on_event(FetchEvent::Progress { done: part.len(), total });
    }
    match total {
        Some(total) if part.len() < total => {
            Err(Failure::temporary(format!("the connection ended after {} of {total} bytes", part.len())).into())
        }
        _ => part.sync().map_err(TransferError::Disk),
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_from_a_bad_line() {
        let mut part = Part::on("/dev/full".as_ref());
        let error = copy(&mut &[1_u8; 10][..], &mut part, Some(10), &Stop::new(false), &|_| {}).unwrap_err();
        assert!(matches!(error, TransferError::Disk(source) if source.kind() == io::ErrorKind::StorageFull));
    }
}
