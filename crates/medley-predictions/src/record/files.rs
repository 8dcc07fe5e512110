//! JSON files of a run folder: bounded, and with the place of what is wrong.

use std::path::Path;

use medley_core::RunLayout;
use medley_core::record::SCHEMA_VERSION;
use medley_storage::{ConfinedFolder, if_present};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::RecordError;

#[derive(Deserialize)]
struct Versioned {
    schema_version: u64,
}

/// A JSON file of a run folder, of at most `limit` bytes. Its schema version is looked at before anything else in it. `None` if
/// there is no such file.
///
/// # Errors
/// Whatever is wrong with the file, with its place.
pub fn read_json<T: DeserializeOwned>(run: &RunLayout, path: &Path, limit: u64) -> Result<Option<T>, RecordError> {
    let Some(text) = if_present(ConfinedFolder::new(run.root()).read_text(path, limit))? else { return Ok(None) };
    let found = parse::<Versioned>(path, &text)?.schema_version;
    if found != u64::from(SCHEMA_VERSION) {
        return Err(RecordError::SchemaVersion { path: path.to_owned(), found, expected: SCHEMA_VERSION });
    }
    parse(path, &text).map(Some)
}

fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, RecordError> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut deserializer)
        .map_err(|error| (key_of(error.path()), error.into_inner()))
        .and_then(|value| deserializer.end().map_err(|error| (String::new(), error)).map(|()| value))
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

/// A path that ends in what the parser does not know, where the text is no JSON, is that of the table around it.
fn key_of(path: &serde_path_to_error::Path) -> String {
    path.to_string().trim_end_matches('?').trim_end_matches('.').to_owned()
}
