//! Whole small files: bounded, and with the place of what is wrong.

use std::io::{self, Read as _};
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::RecordError;

/// The text of a file, or `None` if there is none.
///
/// # Errors
/// [`RecordError::Io`], [`RecordError::TooLarge`].
pub fn read_text(path: &Path, limit: u64) -> Result<Option<String>, RecordError> {
    let Some(bytes) = read_bytes(path, limit)? else { return Ok(None) };
    String::from_utf8(bytes).map(Some).map_err(|error| {
        let line = error.as_bytes()[..error.utf8_error().valid_up_to()].split(|&byte| byte == b'\n').count();
        RecordError::Io {
            path: path.to_owned(),
            source: io::Error::new(io::ErrorKind::InvalidData, format!("line {line} is not UTF-8 text")),
        }
    })
}

/// The bytes of a file, or `None` if there is none. Never more than `limit` are held.
///
/// # Errors
/// [`RecordError::Io`], [`RecordError::TooLarge`].
pub fn read_bytes(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, RecordError> {
    let fail = |source| RecordError::Io { path: path.to_owned(), source };
    let file = match fs_err::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fail(error)),
    };
    let bytes = file.metadata().map_err(fail)?.len();
    if bytes > limit {
        return Err(RecordError::TooLarge { path: path.to_owned(), bytes, limit });
    }
    let mut content = Vec::new();
    file.take(limit).read_to_end(&mut content).map_err(fail)?;
    Ok(Some(content))
}

#[derive(Deserialize)]
struct Versioned {
    schema_version: u64,
}

/// A JSON file with a schema version, which is looked at before anything else in it. `None` if there is no file.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path, limit: u64, version: u32) -> Result<Option<T>, RecordError> {
    let Some(text) = read_text(path, limit)? else { return Ok(None) };
    let found = parse::<Versioned>(path, &text)?.schema_version;
    if found != u64::from(version) {
        return Err(RecordError::SchemaVersion { path: path.to_owned(), found, expected: version });
    }
    parse(path, &text).map(Some)
}

fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, RecordError> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut deserializer)
        .map_err(|error| (error.path().to_string(), error.into_inner()))
        .and_then(|value| deserializer.end().map_err(|error| (".".to_owned(), error)).map(|()| value))
        .map_err(|(key, error)| RecordError::Json {
            path: path.to_owned(),
            line: error.line(),
            column: error.column(),
            key,
            message: without_place(&error),
        })
}

/// What `serde_json` says, less the place, which the message around it gives.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(at) => text[..at].to_owned(),
        None => text,
    }
}
