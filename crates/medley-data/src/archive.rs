//! The zip layer of an `.npz` file: which members there are, and their bytes, within limits.

use std::collections::BTreeSet;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use flate2::bufread::DeflateDecoder;
use md5::Md5;
use medley_core::message::quoted;
use medley_npy::{Header, NpyError, read_header};
use medley_storage::open_file;
use rayon::prelude::*;
use sha2::{Digest as _, Sha256};
use zip::{CompressionMethod, ZipArchive};

use crate::DataError;
use crate::huge_pages::zeroed;
use crate::shared_file::{SharedFile, Stamp};

/// The extra member by which a synthetic set is known. NumPy and the medmnist package ignore it.
pub const SYNTHETIC_MEMBER: &str = "synthetic";
/// Official files have six members.
const MAX_MEMBERS: usize = 64;
/// Deflate cannot do better than 1032 to 1; whoever claims more lies.
const MAX_RATIO: u64 = 1_040;
/// Bytes that pass through memory at once where a member is not read whole.
const CHUNK: usize = 1 << 20;
/// Compressed bytes that are read at once. The decompressor copies the last 32 KiB of its output after each such piece, which of pieces
/// of 8 KiB, those of the archive reader, is a copy of everything.
const COMPRESSED: usize = 1 << 18;

/// An archive that passed the checks on its list of members.
pub struct Archive {
    path: PathBuf,
    /// Cloned by each reader; clones share the list of members.
    zip: ZipArchive<SharedFile>,
    members: Vec<String>,
    file: SharedFile,
    stamp: Stamp,
}

/// One array of an archive, checked but not yet read.
#[derive(Debug, Clone)]
pub struct Member {
    /// Without `.npy`.
    pub name: String,
    /// Type, shape and length.
    pub header: Header,
}

impl Archive {
    /// Opens the archive and checks the list of its members.
    ///
    /// # Errors
    /// [`DataError`], naming the path.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        let (file, stamp) = SharedFile::open(path)?;
        let stated = stated_members(&mut file.clone()).map_err(|source| DataError::io(path, source))?;
        let zip = ZipArchive::new(file.clone()).map_err(|error| archive_error(path, &error))?;
        let members = check_names(path, &zip, stated)?;
        Ok(Self { path: path.to_owned(), zip, members, file, stamp })
    }

    /// Names of all members, without `.npy`, sorted.
    pub fn members(&self) -> &[String] {
        &self.members
    }

    /// Whether there is a member of this name.
    pub fn has(&self, name: &str) -> bool {
        self.members.iter().any(|member| member == name)
    }

    /// Whether the file says that it was generated.
    pub fn is_synthetic(&self) -> bool {
        self.has(SYNTHETIC_MEMBER)
    }

    /// Length of the file, bytes.
    pub fn file_len(&self) -> u64 {
        self.stamp.len
    }

    /// What the file was when it was opened.
    pub(crate) fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// Reads and checks the header of a member of integers, and that its size is that of its array.
    ///
    /// # Errors
    /// [`DataError::MissingMember`], [`DataError::Array`].
    pub fn member(&self, name: &str) -> Result<Member, DataError> {
        self.member_as(name, Header::require_row_major_integers)
    }

    /// As [`Self::member`], for a member of integers or floats.
    ///
    /// # Errors
    /// As [`Self::member`].
    pub fn member_of_numbers(&self, name: &str) -> Result<Member, DataError> {
        self.member_as(name, Header::require_row_major)
    }

    fn member_as(
        &self,
        name: &str,
        require: impl FnOnce(Header) -> Result<Header, NpyError>,
    ) -> Result<Member, DataError> {
        if !self.has(name) {
            let present = self.members.clone();
            return Err(DataError::MissingMember { path: self.path.clone(), member: name.to_owned(), present });
        }
        let mut zip = self.zip.clone();
        let mut file =
            zip.by_name(&format!("{name}.npy")).map_err(|error| self.array_error(name, error.to_string()))?;
        let (size, compressed) = (file.size(), file.compressed_size());
        if size / MAX_RATIO > compressed {
            return Err(self.array_error(name, format!("{compressed} compressed bytes cannot hold {size}")));
        }
        let header = read_header(&mut file).and_then(require);
        let header = header.map_err(|error| self.array_error(name, error.to_string()))?;
        let needed = header.offset as u64 + header.data_len as u64;
        if size != needed {
            let problem = format!("its shape {:?} needs {needed} bytes, but it has {size}", header.shape);
            return Err(self.array_error(name, problem));
        }
        Ok(Member { name: name.to_owned(), header })
    }

    /// Reads the data of a member, and so checks its CRC. The caller has checked that it fits into memory.
    ///
    /// # Errors
    /// [`DataError::Array`].
    pub fn read(&self, member: &Member) -> Result<Vec<u8>, DataError> {
        let mut data = zeroed(member.header.data_len);
        self.read_member(member, |reader| reader.read_exact(&mut data).map_err(|error| cut_off(&error)))?;
        Ok(data)
    }

    /// Reads several members at the same time: the result does not depend on the number of threads.
    pub(crate) fn read_all(&self, members: &[&Member]) -> Result<Vec<Vec<u8>>, DataError> {
        members.par_iter().with_max_len(1).map(|member| self.read(member)).collect()
    }

    /// Hands the data of a member to `sink` chunk by chunk, in order.
    pub(crate) fn stream(
        &self,
        member: &Member,
        mut sink: impl FnMut(&[u8]) -> Result<(), DataError>,
    ) -> Result<(), DataError> {
        let mut chunk = vec![0; CHUNK.min(member.header.data_len)];
        let mut outcome = Ok(());
        let read = self.read_member(member, |reader| {
            let mut left = member.header.data_len;
            while left > 0 && outcome.is_ok() {
                let now = left.min(chunk.len());
                reader.read_exact(&mut chunk[..now]).map_err(|error| cut_off(&error))?;
                outcome = sink(&chunk[..now]);
                left -= now;
            }
            Ok(())
        });
        outcome.and(read)
    }

    /// Lets `take` read the data of a member; what it reads to the end is checked against the CRC.
    fn read_member(
        &self,
        member: &Member,
        take: impl FnOnce(&mut dyn Read) -> Result<(), String>,
    ) -> Result<(), DataError> {
        let wrong = |problem: String| self.array_error(&member.name, problem);
        let name = format!("{}.npy", member.name);
        let mut zip = self.zip.clone();
        let index = zip.index_for_name(&name).ok_or_else(|| wrong("it is not there".to_owned()))?;
        let raw = zip.by_index_raw(index).map_err(|error| wrong(error.to_string()))?;
        if raw.compression() == CompressionMethod::Deflated && !raw.encrypted() {
            let stated = raw.crc32();
            let inflated = DeflateDecoder::new(BufReader::with_capacity(COMPRESSED, raw));
            return take_all(Checked { inflated, crc: crc32fast::Hasher::new(), stated }, member, take).map_err(wrong);
        }
        drop(raw);
        let file = zip.by_index(index).map_err(|error| wrong(error.to_string()))?;
        take_all(file, member, take).map_err(wrong)
    }

    /// MD5 and SHA-256 of the whole file, at the same time, as lower-case hexadecimal digits.
    ///
    /// # Errors
    /// [`DataError::Io`].
    pub fn hashes(&self) -> Result<(String, String), DataError> {
        hash_shared(&self.file).map_err(|source| DataError::io(&self.path, source))
    }

    /// Checks that the file is still what it was when it was opened.
    ///
    /// # Errors
    /// [`DataError::Changed`], [`DataError::Io`].
    pub fn unchanged(&self) -> Result<(), DataError> {
        let stamp = self.file.stamp().map_err(|source| DataError::io(&self.path, source))?;
        if stamp == self.stamp { Ok(()) } else { Err(DataError::Changed { path: self.path.clone() }) }
    }

    /// The error for a member that cannot be used.
    pub fn array_error(&self, member: &str, problem: String) -> DataError {
        DataError::Array { path: self.path.clone(), member: member.to_owned(), problem }
    }
}

/// Reads the header, lets `take` read the data, and checks that this is all; the reader checks the CRC when it reaches the end.
fn take_all(
    mut reader: impl Read,
    member: &Member,
    take: impl FnOnce(&mut dyn Read) -> Result<(), String>,
) -> Result<(), String> {
    let mut header = vec![0; member.header.offset];
    reader.read_exact(&mut header).map_err(|error| error.to_string())?;
    take(&mut reader)?;
    match reader.read(&mut [0; 1]) {
        Ok(0) => Ok(()),
        Ok(_) => Err("it holds more bytes than its shape needs".to_owned()),
        Err(error) => Err(format!("its data is damaged ({error})")),
    }
}

/// What a member inflates to, with an error at its end if the CRC-32 is not the stated one.
struct Checked<R> {
    inflated: R,
    crc: crc32fast::Hasher,
    stated: u32,
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inflated.read(buffer)?;
        self.crc.update(&buffer[..read]);
        if read == 0 && !buffer.is_empty() && self.crc.clone().finalize() != self.stated {
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, "its checksum does not match"));
        }
        Ok(read)
    }
}

fn cut_off(error: &std::io::Error) -> String {
    format!("its data is truncated or damaged ({error})")
}

/// MD5 and SHA-256 of a file in one pass, as lower-case hexadecimal digits.
///
/// # Errors
/// [`DataError::Io`].
pub fn hash_file(path: &Path) -> Result<(String, String), DataError> {
    let file = open_file(path)?;
    hash(file).map_err(|source| DataError::io(path, source))
}

fn hash_shared(file: &SharedFile) -> std::io::Result<(String, String)> {
    let (one, two) = (file.clone(), file.clone());
    let (md5, sha256) = rayon::join(|| digest::<Md5>(one), || digest::<Sha256>(two));
    Ok((md5?, sha256?))
}

fn hash(mut reader: impl Read) -> std::io::Result<(String, String)> {
    let (mut md5, mut sha256) = (Md5::new(), Sha256::new());
    let mut buffer = vec![0; 1 << 18];
    loop {
        let read = reader.read(&mut buffer)?;
        if read == 0 {
            return Ok((hex(&md5.finalize()), hex(&sha256.finalize())));
        }
        md5.update(&buffer[..read]);
        sha256.update(&buffer[..read]);
    }
}

fn digest<D: sha2::Digest>(mut reader: impl Read) -> std::io::Result<String> {
    let mut digest = D::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        let read = reader.read(&mut buffer)?;
        if read == 0 {
            return Ok(hex(&digest.finalize()));
        }
        digest.update(&buffer[..read]);
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The number of members that the end record of the archive states. The archive reader keeps one of several members
/// with the same name; a difference between the two numbers shows them.
fn stated_members(file: &mut SharedFile) -> std::io::Result<Option<usize>> {
    let len = file.seek(SeekFrom::End(0))?;
    let tail = len.min(22 + 65_535);
    file.seek(SeekFrom::Start(len - tail))?;
    let mut bytes = vec![0; tail as usize];
    file.read_exact(&mut bytes)?;
    let found = bytes.windows(22).rposition(|window| window.starts_with(b"PK\x05\x06"));
    // 0xffff stands for "see the zip64 record".
    Ok(found.map(|at| usize::from(u16::from_le_bytes([bytes[at + 10], bytes[at + 11]]))).filter(|&n| n != 0xffff))
}

fn check_names<R: Read + Seek>(
    path: &Path,
    archive: &ZipArchive<R>,
    stated: Option<usize>,
) -> Result<Vec<String>, DataError> {
    let hostile = |problem: String| DataError::MemberNames { path: path.to_owned(), problem };
    if archive.len() > MAX_MEMBERS {
        return Err(hostile(format!("{} members, more than {MAX_MEMBERS}", archive.len())));
    }
    if stated.is_some_and(|stated| stated != archive.len()) {
        return Err(hostile(format!("{} members, {} names", stated.unwrap_or_default(), archive.len())));
    }
    let mut names = BTreeSet::new();
    for name in archive.file_names() {
        let name = name.map_err(|error| hostile(error.to_string()))?;
        if name.contains("..") || name.starts_with(['/', '\\']) || name.contains('\0') {
            return Err(hostile(format!("the name {}", quoted(&name))));
        }
        let short = name.strip_suffix(".npy").unwrap_or(&name).to_owned();
        if !names.insert(short) {
            return Err(hostile(format!("two members {}", quoted(&name))));
        }
    }
    Ok(names.into_iter().collect())
}

fn archive_error(path: &Path, error: &zip::result::ZipError) -> DataError {
    DataError::Archive { path: path.to_owned(), problem: error.to_string() }
}
