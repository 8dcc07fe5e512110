//! What a file is, and whether it is what was published.

use std::path::Path;

use medley_core::record::DataRecord;
use serde::Serialize;

use crate::open::set_of;
use crate::registry::Identity;
use crate::{DataError, OpenOptions, open_file};

/// The outcome of [`verify`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verification {
    /// What is in the file.
    pub record: DataRecord,
    /// Short name of the licence of the data.
    pub licence: String,
    /// How it compares with the published files.
    pub verdict: Verdict,
}

/// How a file compares with the published ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "verdict")]
pub enum Verdict {
    /// Byte for byte a published file.
    Published {
        /// Of this release.
        release: String,
    },
    /// As many rows as a published file, but other bytes.
    SameRows {
        /// Of this release.
        release: String,
        /// MD5 as published.
        expected_md5: String,
    },
    /// Other rows than any published file.
    Unknown,
    /// Drawn by Medley.
    Synthetic,
}

impl Verdict {
    /// Whether the file can be cited as the published data.
    pub fn is_published(&self) -> bool {
        matches!(self, Self::Published { .. })
    }

    /// One sentence.
    pub fn sentence(&self) -> String {
        match self {
            Self::Published { release } if release == "any" => "byte for byte the published file".to_owned(),
            Self::Published { release } => format!("byte for byte the published file of MedMNIST {release}"),
            Self::SameRows { release, expected_md5 } => format!(
                "the rows of the published file ({release}), but other bytes: its MD5 is not {expected_md5}; it was repacked or \
                 changed"
            ),
            Self::Unknown => "neither the rows nor the MD5 of any published file".to_owned(),
            Self::Synthetic => "SYNTHETIC: drawn by Medley, no medical data".to_owned(),
        }
    }
}

/// Reads a whole file, checks shapes, checksums and labels, and compares it with the registry. The set is known by the
/// file's name.
///
/// # Errors
/// Whatever makes the file unusable; a file that is usable but not the published one is a [`Verdict`].
pub fn verify(path: &Path, options: &OpenOptions) -> Result<Verification, DataError> {
    let (entry, size) = set_of(path)?;
    let opened = open_file(path, entry, size, options)?;
    let (rows, record) = (opened.rows(), opened.record);
    let verdict = if record.release.as_deref() == Some("synthetic") {
        Verdict::Synthetic
    } else {
        match entry.identify(&record.md5, rows) {
            Identity::Published(release) => Verdict::Published { release: release.name.clone() },
            Identity::SameRows(release) => Verdict::SameRows {
                release: release.name.clone(),
                expected_md5: release
                    .files
                    .iter()
                    .find(|file| file.size == size)
                    .map(|file| file.md5.clone())
                    .unwrap_or_default(),
            },
            Identity::Unknown => Verdict::Unknown,
        }
    };
    Ok(Verification { record, licence: entry.licence.clone(), verdict })
}
