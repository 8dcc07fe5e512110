//! What the targets share: a file in memory that every input is written to, and limits that a hostile file must not get past.
//!
//! `scripts/fuzz` runs the targets: whole archives (`open_npz`), six members in an archive whose checksums are right
//! (`open_members`), one member (`npy_header`), and entries of the registry (`registry_entry`). None of them may panic,
//! run for more than a few seconds, or take more memory than the limits of the script.
//!
//! Archives of wrong checksums are refused before anything is made of their arrays, so that mutations of a whole file seldom
//! get far; the targets that build the archive themselves are there to get past that.
//!
//! A finding goes into `crates/medley-data/tests/integration/hostile.rs`, as small as it can be made.

use std::io::{Cursor, Write as _};
use std::path::PathBuf;

use medley_data::OpenOptions;
use medley_data::cache::CacheUse;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// Bytes that decoded arrays may take.
pub const MEMORY_LIMIT: u64 = 4 << 20;

/// Members of an official file, in the order in which inputs are cut.
pub const MEMBERS: [&str; 6] =
    ["train_images", "val_images", "test_images", "train_labels", "val_labels", "test_labels"];

/// Limits of reading, and no cache on disk.
pub fn options() -> OpenOptions {
    OpenOptions { memory_limit: MEMORY_LIMIT, cache: CacheUse::Never }
}

/// Writes bytes under the name of a set, in memory where there is such a file system, and gives the path.
///
/// # Panics
/// When it cannot be written.
pub fn file(bytes: &[u8]) -> PathBuf {
    let shared = PathBuf::from("/dev/shm");
    let base = if shared.is_dir() { shared } else { std::env::temp_dir() };
    let folder = base.join(format!("medley-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for inputs");
    let path = folder.join("breastmnist.npz");
    std::fs::write(&path, bytes).expect("an input");
    path
}

/// An archive of stored members whose checksums are right.
///
/// # Panics
/// When there is no memory for it.
pub fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, bytes) in members {
        writer.start_file(format!("{name}.npy"), options).expect("a member");
        writer.write_all(bytes).expect("a member");
    }
    writer.finish().expect("an archive").into_inner()
}

/// Cuts an input into six members: each begins with its length in two bytes, and the last takes what is left.
pub fn cut(mut input: &[u8]) -> Vec<(&'static str, &[u8])> {
    let mut members = Vec::new();
    for (index, name) in MEMBERS.into_iter().enumerate() {
        let (bytes, rest) = match input {
            [low, high, rest @ ..] if index + 1 < MEMBERS.len() => {
                rest.split_at(usize::from(u16::from_le_bytes([*low, *high])).min(rest.len()))
            }
            rest => (rest, &[][..]),
        };
        members.push((name, bytes));
        input = rest;
    }
    members
}
