//! Decoded arrays on disk: for files that do not fit into memory, and for opening the same file again without decoding it.
//!
//! A deflated array can be read from its beginning only. The first time, its bytes are therefore decoded into a cache file,
//! a mebibyte at a time, so that memory stays bounded; from then on they are copied from there, into memory where they fit, else
//! into a file without a name that is mapped: see `PrivateCopy`. One cache file belongs to one data file, known by its path, and
//! is good only as long as that file has the length, the time stamp and the identity it had when it was decoded. Every mebibyte
//! has a CRC-32, which the copy is checked with whenever a cache is opened, so that what happens to the file later does not matter;
//! a cache that is damaged, foreign or of another version is made anew.
//!
//! Layout: a page with the magic number and the place of the index, the arrays, each at a multiple of the page size, and the index
//! as JSON. The file is written under another name, flushed and renamed, so it is whole or absent, and it is never written to
//! after that.

use std::io::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use medley_core::{ImageShape, ImageSource};
use medley_storage::{
    ReadError, RealFs, StorageError, check_size, create_file, create_folder, open_unlinked, user_cache_folder,
    write_filled,
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::DataError;
use crate::archive::{Archive, Member, hex};
use crate::private_copy::PrivateCopy;
use crate::shared_file::Stamp;

const MAGIC: [u8; 8] = *b"MEDLEYC1";
const PAGE: u64 = 4_096;
/// Magic number, place and length of the index, and its checksum.
const HEAD: u64 = 32;
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
    let named = std::env::var_os("MEDLEY_CACHE").filter(|value| !value.is_empty()).map(PathBuf::from);
    named.or_else(|| user_cache_folder().map(|cache| cache.join("medley/data")))
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

/// Removes the cache files in a folder, and what interrupted decoding left there. Programs that use one have a copy of it. Other
/// files are not touched.
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

/// Why there is nothing to take from a cache file.
enum Unusable {
    /// What is wrong with it.
    Damaged(String),
    /// It could not be copied.
    NoCopy(std::io::Error),
}

impl From<String> for Unusable {
    fn from(problem: String) -> Self {
        Self::Damaged(problem)
    }
}

/// What a cache file holds, copied and verified.
pub(crate) struct Decoded {
    bytes: Arc<PrivateCopy>,
    index: Index,
}

impl Decoded {
    /// Copies the cache of a data file, if it has a sound one: into memory if that takes no more than `memory_limit` bytes.
    ///
    /// # Errors
    /// [`StorageError::Io`] where there is no room for the copy.
    pub(crate) fn open(
        path: &Path,
        source: Stamp,
        members: &[&Member],
        memory_limit: u64,
    ) -> Result<Option<Self>, StorageError> {
        let problem = match Self::read(path, source, members, memory_limit) {
            Ok(decoded) => return Ok(decoded),
            Err(Unusable::NoCopy(source)) => return Err(StorageError::io(path, source)),
            Err(Unusable::Damaged(problem)) => problem,
        };
        tracing::warn!("the cache `{}` is not used and will be rebuilt: {problem}", path.display());
        Ok(None)
    }

    /// `None` if there is none, or one of another state of the data file; an error if it is damaged.
    fn read(path: &Path, source: Stamp, members: &[&Member], memory_limit: u64) -> Result<Option<Self>, Unusable> {
        // Someone else's file would be taken for ours: no links.
        let file = match open_unlinked(path) {
            Ok(file) => file,
            Err(ReadError::Missing { .. }) => return Ok(None),
            Err(error) => return Err(error.to_string().into()),
        };
        let len = check_size(&file, largest(members)).map_err(|error| error.to_string())?;
        // Of another state of the data file, it is not worth a copy.
        if Index::of_file(file.file(), len)?.source != source {
            return Ok(None);
        }
        let folder = path.parent().unwrap_or(Path::new(""));
        let bytes = PrivateCopy::of(file.file(), len, folder, memory_limit).map_err(Unusable::NoCopy)?;
        let index = Index::of_bytes(&bytes)?;
        if index.source != source {
            return Ok(None);
        }
        let decoded = Self { bytes: Arc::new(bytes), index };
        decoded.verify(members)?;
        Ok(Some(decoded))
    }

    /// Checks that every array is there, inside the file, and as it was written.
    fn verify(&self, members: &[&Member]) -> Result<(), String> {
        let mut blocks: Vec<(&[u8], u32)> = Vec::new();
        for (member, stored) in members.iter().zip(&self.index.arrays) {
            let end = stored.offset.checked_add(stored.len);
            let inside = end.is_some_and(|end| end <= self.bytes.len() as u64);
            if !inside || member.name != stored.name || member.header.data_len as u64 != stored.len {
                return Err(format!("its array `{}` is not that of the data file", stored.name));
            }
            let bytes = &self.bytes[stored.offset as usize..(stored.offset + stored.len) as usize];
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
        &self.bytes[stored.offset as usize..(stored.offset + stored.len) as usize]
    }

    /// The array at a position as images.
    pub(crate) fn images(&self, position: usize, shape: ImageShape, len: usize) -> DecodedImages {
        DecodedImages {
            bytes: Arc::clone(&self.bytes),
            offset: self.index.arrays[position].offset as usize,
            shape,
            len,
        }
    }
}

/// Bytes that a cache of these members takes at most.
fn largest(members: &[&Member]) -> u64 {
    let arrays = members.iter().map(|member| (member.header.data_len as u64).next_multiple_of(PAGE));
    PAGE + arrays.sum::<u64>() + MAX_INDEX
}

impl Index {
    fn of_bytes(bytes: &[u8]) -> Result<Self, String> {
        let (place, checksum) = index_place(bytes, bytes.len() as u64)?;
        Self::parse(&bytes[place.start as usize..place.end as usize], checksum)
    }

    fn of_file(mut file: &std::fs::File, len: u64) -> Result<Self, String> {
        use std::io::{Read as _, Seek as _, SeekFrom};
        let mut head = Vec::new();
        file.take(HEAD).read_to_end(&mut head).map_err(|error| error.to_string())?;
        let (place, checksum) = index_place(&head, len)?;
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(place.start))
            .and_then(|_| file.take(place.end - place.start).read_to_end(&mut bytes))
            .map_err(|error| error.to_string())?;
        Self::parse(&bytes, checksum)
    }

    fn parse(bytes: &[u8], checksum: u64) -> Result<Self, String> {
        if u64::from(crc32fast::hash(bytes)) != checksum {
            return Err("its index is damaged".to_owned());
        }
        serde_json::from_slice(bytes).map_err(|error| error.to_string())
    }
}

/// Where the index lies in a file of so many bytes, and its checksum, from the beginning of the file.
fn index_place(head: &[u8], file_len: u64) -> Result<(Range<u64>, u64), String> {
    let number = |at: usize| -> Option<u64> { Some(u64::from_le_bytes(head.get(at..at + 8)?.try_into().ok()?)) };
    if head.get(..8) != Some(&MAGIC) {
        return Err("it is not a cache file of this version".to_owned());
    }
    let (Some(offset), Some(len), Some(checksum)) = (number(8), number(16), number(24)) else {
        return Err("it is cut off".to_owned());
    };
    let end = offset.checked_add(len).filter(|&end| end <= file_len && len <= MAX_INDEX);
    Ok((offset..end.ok_or("it is cut off")?, checksum))
}

/// Decodes members into a cache file. Memory stays bounded whatever their size.
///
/// # Errors
/// [`DataError`]: what makes the data file unusable, or why the cache cannot be written.
pub(crate) fn build(path: &Path, archive: &Archive, members: &[&Member]) -> Result<(), DataError> {
    if let Some(folder) = path.parent() {
        create_folder(folder)?;
    }
    write_filled(&RealFs, path, |temporary| {
        let file = create_file(temporary).map_err(|source| DataError::unwritable(path, source))?;
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
        finish(&file, place, &index).map_err(|source| DataError::unwritable(path, source))
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
        write_all_at(file, chunk, at).map_err(|source| DataError::unwritable(path, source))?;
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

/// Images that lie in what was copied from a cache.
#[derive(Clone)]
pub(crate) struct DecodedImages {
    bytes: Arc<PrivateCopy>,
    offset: usize,
    shape: ImageShape,
    len: usize,
}

impl ImageSource for DecodedImages {
    fn shape(&self) -> ImageShape {
        self.shape
    }

    fn len(&self) -> usize {
        self.len
    }

    fn image(&self, index: usize) -> &[u8] {
        assert!(index < self.len, "image {index} of {}", self.len);
        let size = self.shape.len();
        &self.bytes[self.offset + index * size..self.offset + (index + 1) * size]
    }
}
