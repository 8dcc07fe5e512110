//! The zip layer of an `.npz` file: which members there are, and their bytes, within limits.

use std::collections::BTreeSet;
use std::io::{BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use md5::Md5;
use sha2::{Digest as _, Sha256};
use zip::ZipArchive;

use crate::DataError;
use crate::npy::{Header, read_header};

/// Official files have six members.
const MAX_MEMBERS: usize = 64;
/// Deflate cannot do better than 1032 to 1; whoever claims more lies.
const MAX_RATIO: u64 = 1_040;

/// An archive that passed the checks on its list of members.
pub(crate) struct Archive {
    path: PathBuf,
    members: Vec<String>,
    stamp: Stamp,
}

/// What tells whether a file was replaced or written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    len: u64,
    modified: Option<SystemTime>,
}

/// One array of an archive, checked but not yet read.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) header: Header,
}

impl Archive {
    /// Opens the archive and checks the list of its members.
    pub(crate) fn open(path: &Path, name: &str) -> Result<Self, DataError> {
        let stamp = check_file(path, name)?;
        let mut file = open(path)?;
        let stated = stated_members(&mut file).map_err(|source| io_error(path, source))?;
        file.seek(SeekFrom::Start(0)).map_err(|source| io_error(path, source))?;
        let archive = ZipArchive::new(BufReader::new(file)).map_err(|error| archive_error(path, &error))?;
        let members = check_names(path, &archive, stated)?;
        Ok(Self { path: path.to_owned(), members, stamp })
    }

    /// Names of all members, without `.npy`.
    pub(crate) fn members(&self) -> &[String] {
        &self.members
    }

    /// Reads and checks the header of a member, and that its size is that of its array.
    pub(crate) fn member(&self, name: &str) -> Result<Member, DataError> {
        if !self.members.iter().any(|member| member == name) {
            let present = self.members.iter().take(20).cloned().collect();
            return Err(DataError::MissingMember { path: self.path.clone(), member: name.to_owned(), present });
        }
        let mut archive = self.reopen()?;
        let mut file =
            archive.by_name(&format!("{name}.npy")).map_err(|error| self.array_error(name, error.to_string()))?;
        let (size, compressed) = (file.size(), file.compressed_size());
        if size / MAX_RATIO > compressed {
            return Err(
                self.array_error(name, format!("{compressed} compressed bytes claim to hold {size}: not possible"))
            );
        }
        let header = read_header(&mut file).map_err(|problem| self.array_error(name, problem))?;
        let needed = header.offset as u64 + header.data_len as u64;
        if size != needed {
            let problem = format!("its shape {:?} needs {needed} bytes, but it has {size}", header.shape);
            return Err(self.array_error(name, problem));
        }
        Ok(Member { name: name.to_owned(), header })
    }

    /// Reads the data of a member, and so checks its CRC.
    pub(crate) fn read(&self, member: &Member) -> Result<Vec<u8>, DataError> {
        let wrong = |problem: String| self.array_error(&member.name, problem);
        let mut archive = self.reopen()?;
        let mut file = archive.by_name(&format!("{}.npy", member.name)).map_err(|error| wrong(error.to_string()))?;
        let mut header = vec![0; member.header.offset];
        file.read_exact(&mut header).map_err(|error| wrong(error.to_string()))?;
        let mut data = vec![0; member.header.data_len];
        file.read_exact(&mut data).map_err(|error| wrong(format!("its data is cut off or damaged ({error})")))?;
        // The reader checks the CRC when it reaches the end.
        match file.read(&mut [0; 1]) {
            Ok(0) => Ok(data),
            Ok(_) => Err(wrong("it holds more bytes than its shape".to_owned())),
            Err(error) => Err(wrong(format!("its data is damaged ({error})"))),
        }
    }

    /// MD5 and SHA-256 of the whole file, in one pass, as lower-case hexadecimal digits.
    pub(crate) fn hashes(&self) -> Result<(String, String), DataError> {
        hash_file(&self.path)
    }

    /// Checks that the file is still the one that was opened.
    pub(crate) fn unchanged(&self) -> Result<(), DataError> {
        let metadata = fs_err::metadata(&self.path).map_err(|source| io_error(&self.path, source))?;
        if stamp(&metadata) == self.stamp { Ok(()) } else { Err(DataError::Changed { path: self.path.clone() }) }
    }

    /// Each thread reads through a handle of its own.
    fn reopen(&self) -> Result<ZipArchive<BufReader<fs_err::File>>, DataError> {
        let reader = BufReader::with_capacity(1 << 17, open(&self.path)?);
        ZipArchive::new(reader).map_err(|error| archive_error(&self.path, &error))
    }

    pub(crate) fn array_error(&self, member: &str, problem: String) -> DataError {
        DataError::Array { path: self.path.clone(), member: member.to_owned(), problem }
    }
}

/// MD5 and SHA-256 of a file in one pass, as lower-case hexadecimal digits.
///
/// # Errors
/// [`DataError::Io`].
pub fn hash_file(path: &Path) -> Result<(String, String), DataError> {
    let mut file = open(path)?;
    let (mut md5, mut sha256) = (Md5::new(), Sha256::new());
    let mut buffer = vec![0; 1 << 18];
    loop {
        let read = file.read(&mut buffer).map_err(|source| io_error(path, source))?;
        if read == 0 {
            return Ok((hex(&md5.finalize()), hex(&sha256.finalize())));
        }
        md5.update(&buffer[..read]);
        sha256.update(&buffer[..read]);
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn check_file(path: &Path, name: &str) -> Result<Stamp, DataError> {
    let metadata = match fs_err::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(DataError::Missing { path: path.to_owned(), name: name.to_owned() });
        }
        Err(source) => return Err(io_error(path, source)),
    };
    if !metadata.is_file() {
        // Opening a pipe would wait for a writer for ever.
        let what = if metadata.is_dir() { "a folder" } else { "a pipe, socket or device" };
        return Err(DataError::NotAFile { path: path.to_owned(), what });
    }
    if metadata.len() == 0 {
        return Err(DataError::Empty { path: path.to_owned() });
    }
    Ok(stamp(&metadata))
}

fn stamp(metadata: &std::fs::Metadata) -> Stamp {
    Stamp { len: metadata.len(), modified: metadata.modified().ok() }
}

/// The number of members that the end record of the archive states. The archive reader keeps one of several members
/// with the same name; a difference between the two numbers shows them.
fn stated_members(file: &mut fs_err::File) -> std::io::Result<Option<usize>> {
    let len = file.seek(SeekFrom::End(0))?;
    let tail = len.min(22 + 65_535);
    file.seek(SeekFrom::Start(len - tail))?;
    let mut bytes = vec![0; tail as usize];
    file.read_exact(&mut bytes)?;
    let found = bytes.windows(22).rposition(|window| window.starts_with(b"PK\x05\x06"));
    // 0xffff stands for "see the zip64 record".
    Ok(found.map(|at| usize::from(u16::from_le_bytes([bytes[at + 10], bytes[at + 11]]))).filter(|&n| n != 0xffff))
}

fn check_names<R: std::io::Read + std::io::Seek>(
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
            return Err(hostile(format!("the name {name:?}")));
        }
        let short = name.strip_suffix(".npy").unwrap_or(&name).to_owned();
        if !names.insert(short) {
            return Err(hostile(format!("two members {name:?}")));
        }
    }
    Ok(names.into_iter().collect())
}

fn open(path: &Path) -> Result<fs_err::File, DataError> {
    fs_err::File::open(path).map_err(|source| io_error(path, source))
}

pub(crate) fn io_error(path: &Path, source: std::io::Error) -> DataError {
    DataError::Io { path: path.to_owned(), source }
}

fn archive_error(path: &Path, error: &zip::result::ZipError) -> DataError {
    DataError::Archive { path: path.to_owned(), problem: error.to_string() }
}
