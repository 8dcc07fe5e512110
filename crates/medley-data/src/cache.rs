//! Decoded arrays on disk, mapped into memory: for files that do not fit, and for opening the same file again at once.
//!
//! A deflated array can be read from its beginning only. The first time, its bytes are therefore decoded into a cache file,
//! a mebibyte at a time, so that memory stays bounded; from then on the file is mapped, which costs nothing until a
//! pixel is looked at, and all processes share one copy. One cache file belongs to one data file, known by its path, and is good
//! only as long as that file has the length, the time stamp and the identity it had when it was decoded. Every mebibyte
//! has a CRC-32, checked whenever the cache is opened; a cache that is damaged, foreign or of another version is made anew.
//!
//! Layout: a page with the magic number and the place of the index, the arrays, each at a multiple of the page size, and the index
//! as JSON. The file is written under another name, flushed and renamed, so it is whole or absent, and it is never written to
//! after that.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use medley_core::{ImageShape, ImageSource};
use medley_storage::{RealFs, write_filled};
use memmap2::Mmap;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::DataError;
use crate::archive::{Archive, Member, hex};
use crate::shared_file::Stamp;

const MAGIC: [u8; 8] = *b"MEDLEYC1";
const PAGE: u64 = 4_096;
/// Bytes that share a checksum.
const BLOCK: usize = 1 << 20;
/// The index of 64 GiB has 64 Ki checksums.
const MAX_INDEX: u64 = 16 << 20;
const EXTENSION: &str = "cache";

/// When decoded arrays are kept on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CacheUse {
    /// Files that take more memory than allowed are refused.
    Never,
    /// They are decoded into a cache in this folder.
    WhenLarge(PathBuf),
    /// All files are.
    Always(PathBuf),
}

/// `MEDLEY_CACHE`, else `medley/data` in the user's cache folder; none where neither is known.
pub fn default_folder() -> Option<PathBuf> {
    let path = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    path("MEDLEY_CACHE")
        .or_else(|| path("XDG_CACHE_HOME").map(|cache| cache.join("medley/data")))
        .or_else(|| path("HOME").map(|home| home.join(".cache/medley/data")))
}

/// A cache file, as [`clean`] found it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cached {
    /// Where it is.
    pub path: PathBuf,
    /// Its length, bytes.
    pub bytes: u64,
}

/// The cache files in a folder, by name. A folder that does not exist has none.
///
/// # Errors
/// [`DataError::Io`] when the folder cannot be listed.
pub fn list(folder: &Path) -> Result<Vec<Cached>, DataError> {
    let entries = match fs_err::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(DataError::io(folder, source)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(|source| DataError::io(folder, source))?.path();
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && path.extension().is_some_and(|extension| extension == EXTENSION) {
            let bytes = fs_err::symlink_metadata(&path).map_or(0, |metadata| metadata.len());
            found.push(Cached { path, bytes });
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// Removes the cache files in a folder, and what interrupted decoding left there. Programs that have one mapped keep it until
/// they end. Other files are not touched.
///
/// # Errors
/// [`DataError::Io`], [`DataError::Storage`].
pub fn clean(folder: &Path) -> Result<Vec<Cached>, DataError> {
    let found = list(folder)?;
    for cached in &found {
        fs_err::remove_file(&cached.path).map_err(|source| DataError::io(&cached.path, source))?;
    }
    medley_storage::sweep_temporary(folder)?;
    Ok(found)
}

/// The cache file of a data file.
pub(crate) fn path_for(folder: &Path, source: &Path) -> PathBuf {
    use sha2::Digest as _;
    let whole = fs_err::canonicalize(source).unwrap_or_else(|_| source.to_owned());
    let digest = hex(&sha2::Sha256::digest(whole.as_os_str().as_encoded_bytes()));
    let stem = source.file_stem().unwrap_or_default().to_string_lossy();
    folder.join(format!("{stem}-{}.{EXTENSION}", &digest[..16]))
}

/// What the cache knows besides the arrays.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Index {
    source: Stamp,
    md5: String,
    sha256: String,
    arrays: Vec<Stored>,
}

/// One array of a cache.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Stored {
    name: String,
    offset: u64,
    len: u64,
    /// CRC-32 of each block of a mebibyte.
    checksums: Vec<u32>,
}

/// A cache file, mapped and verified.
pub(crate) struct Mapped {
    map: Arc<Mmap>,
    index: Index,
}

impl Mapped {
    /// Maps the cache of a data file, if it has a sound one.
    pub(crate) fn open(path: &Path, source: Stamp, members: &[&Member]) -> Option<Self> {
        match Self::read(path, source, members) {
            Ok(mapped) => mapped,
            Err(problem) => {
                tracing::warn!("the cache `{}` is not used and will be rebuilt: {problem}", path.display());
                None
            }
        }
    }

    /// `None` if there is none, or one of another state of the data file; an error if it is damaged.
    #[allow(unsafe_code, reason = "mapping a file is unsafe, as another process might write to it")]
    fn read(path: &Path, source: Stamp, members: &[&Member]) -> Result<Option<Self>, String> {
        match fs_err::symlink_metadata(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.to_string()),
            // Someone else's file would be mapped as ours.
            Ok(metadata) if !metadata.is_file() => return Err("it is not a regular file".to_owned()),
            Ok(_) => {}
        }
        let file = fs_err::File::open(path).map_err(|error| error.to_string())?;
        // SAFETY: cache files are written under another name and renamed when they are complete; Medley never writes to one
        // that has its name, nor cuts it off. Whoever else does breaks the programs that have it mapped, as with any
        // mapped file, such as a shared library.
        let map = unsafe { Mmap::map(file.file()) }.map_err(|error| error.to_string())?;
        let index = read_index(&map)?;
        if index.source != source {
            return Ok(None);
        }
        let mapped = Self { map: Arc::new(map), index };
        mapped.verify(members)?;
        Ok(Some(mapped))
    }

    /// Checks that every array is there, inside the file, and as it was written.
    fn verify(&self, members: &[&Member]) -> Result<(), String> {
        let mut blocks: Vec<(&[u8], u32)> = Vec::new();
        for (member, stored) in members.iter().zip(&self.index.arrays) {
            let end = stored.offset.checked_add(stored.len);
            let inside = end.is_some_and(|end| end <= self.map.len() as u64);
            if !inside || member.name != stored.name || member.header.data_len as u64 != stored.len {
                return Err(format!("its array `{}` is not that of the data file", stored.name));
            }
            let bytes = &self.map[stored.offset as usize..(stored.offset + stored.len) as usize];
            if bytes.len().div_ceil(BLOCK) != stored.checksums.len() {
                return Err(format!("its array `{}` has the wrong number of checksums", stored.name));
            }
            blocks.extend(bytes.chunks(BLOCK).zip(stored.checksums.iter().copied()));
        }
        if self.index.arrays.len() != members.len() {
            return Err("it has another number of arrays".to_owned());
        }
        let sound = blocks.par_iter().all(|(bytes, checksum)| crc32fast::hash(bytes) == *checksum);
        if sound { Ok(()) } else { Err("its checksums do not match: it was changed, or the disk is faulty".to_owned()) }
    }

    /// MD5 and SHA-256 of the data file.
    pub(crate) fn hashes(&self) -> (String, String) {
        (self.index.md5.clone(), self.index.sha256.clone())
    }

    /// The bytes of the array at a position of the list that the cache was opened with.
    pub(crate) fn bytes(&self, position: usize) -> &[u8] {
        let stored = &self.index.arrays[position];
        &self.map[stored.offset as usize..(stored.offset + stored.len) as usize]
    }

    /// The array at a position as images.
    pub(crate) fn images(&self, position: usize, shape: ImageShape, len: usize) -> MappedImages {
        MappedImages { map: Arc::clone(&self.map), offset: self.index.arrays[position].offset as usize, shape, len }
    }
}

fn read_index(map: &[u8]) -> Result<Index, String> {
    let number = |at: usize| -> Option<u64> { Some(u64::from_le_bytes(map.get(at..at + 8)?.try_into().ok()?)) };
    if map.get(..8) != Some(&MAGIC) {
        return Err("it is not a cache file of this version".to_owned());
    }
    let (Some(offset), Some(len), Some(checksum)) = (number(8), number(16), number(24)) else {
        return Err("it is cut off".to_owned());
    };
    let end = offset.checked_add(len).filter(|&end| end <= map.len() as u64 && len <= MAX_INDEX);
    let bytes = end.and_then(|end| map.get(offset as usize..end as usize)).ok_or("it is cut off")?;
    if u64::from(crc32fast::hash(bytes)) != checksum {
        return Err("its index is damaged".to_owned());
    }
    serde_json::from_slice(bytes).map_err(|error| error.to_string())
}

/// Decodes members into a cache file. Memory stays bounded whatever their size.
///
/// # Errors
/// [`DataError`]: what makes the data file unusable, or why the cache cannot be written.
pub(crate) fn build(path: &Path, archive: &Archive, members: &[&Member]) -> Result<(), DataError> {
    if let Some(folder) = path.parent() {
        fs_err::create_dir_all(folder).map_err(|source| DataError::io(folder, source))?;
    }
    write_filled(&RealFs, path, |temporary| {
        let file = fs_err::File::create(temporary).map_err(|source| DataError::io(path, source))?;
        let mut place = PAGE;
        let places: Vec<u64> = members
            .iter()
            .map(|member| {
                let offset = place;
                place += (member.header.data_len as u64).next_multiple_of(PAGE);
                offset
            })
            .collect();
        let decode = || -> Result<Vec<Stored>, DataError> {
            let both = members.par_iter().with_max_len(1).zip(&places);
            both.map(|(member, &offset)| store(path, &file, archive, member, offset)).collect()
        };
        let (hashes, arrays) = rayon::join(|| archive.hashes(), decode);
        let ((md5, sha256), arrays) = (hashes?, arrays?);
        archive.unchanged()?;
        let index = Index { source: archive.stamp(), md5, sha256, arrays };
        finish(&file, place, &index).map_err(|source| DataError::io(path, source))
    })
}

fn store(
    path: &Path,
    file: &fs_err::File,
    archive: &Archive,
    member: &Member,
    offset: u64,
) -> Result<Stored, DataError> {
    let mut at = offset;
    let mut checksums = Vec::new();
    // Chunks are blocks: both are a mebibyte, and only the last is shorter.
    archive.stream(member, |chunk| {
        checksums.push(crc32fast::hash(chunk));
        write_all_at(file, chunk, at).map_err(|source| DataError::io(path, source))?;
        at += chunk.len() as u64;
        Ok(())
    })?;
    Ok(Stored { name: member.name.clone(), offset, len: member.header.data_len as u64, checksums })
}

fn finish(mut file: &fs_err::File, place: u64, index: &Index) -> std::io::Result<()> {
    use std::io::{Seek as _, SeekFrom};
    let text = serde_json::to_vec(index)?;
    file.seek(SeekFrom::Start(place))?;
    file.write_all(&text)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&MAGIC)?;
    for number in [place, text.len() as u64, u64::from(crc32fast::hash(&text))] {
        file.write_all(&number.to_le_bytes())?;
    }
    file.sync_all()
}

#[cfg(unix)]
fn write_all_at(file: &fs_err::File, bytes: &[u8], offset: u64) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file.file(), bytes, offset)
}

#[cfg(windows)]
fn write_all_at(file: &fs_err::File, mut bytes: &[u8], mut offset: u64) -> std::io::Result<()> {
    while !bytes.is_empty() {
        let written = std::os::windows::fs::FileExt::seek_write(file.file(), bytes, offset)?;
        bytes = &bytes[written..];
        offset += written as u64;
    }
    Ok(())
}

/// Images that lie in a mapped cache.
#[derive(Clone)]
pub(crate) struct MappedImages {
    map: Arc<Mmap>,
    offset: usize,
    shape: ImageShape,
    len: usize,
}

impl ImageSource for MappedImages {
    fn shape(&self) -> ImageShape {
        self.shape
    }

    fn len(&self) -> usize {
        self.len
    }

    fn image(&self, index: usize) -> &[u8] {
        assert!(index < self.len, "image {index} of {}", self.len);
        let size = self.shape.len();
        &self.map[self.offset + index * size..self.offset + (index + 1) * size]
    }
}
