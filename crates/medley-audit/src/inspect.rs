//! What a file is, and whether it is what was published. A file is known by its content, whatever it is called.

use std::path::{Path, PathBuf};

use medley_core::Origin;
use medley_core::record::DataRecord;
use serde::Serialize;

use medley_data::archive::{Archive, Member};
use medley_data::registry::{Entry, Identity, Registry};
use medley_data::{DataError, OpenOptions, open_file, set_by_name, set_of};

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
    /// A user's own set, as it was imported.
    Imported,
    /// A user's own set, but not the bytes that were imported.
    Changed {
        /// MD5 as the entry has it.
        expected_md5: String,
    },
}

impl Verdict {
    /// Whether the file can be cited as the published data.
    pub fn is_published(&self) -> bool {
        matches!(self, Self::Published { .. })
    }

    /// Whether the file is what its entry says: published, or imported and not changed since.
    pub fn is_sound(&self) -> bool {
        self.is_published() || *self == Self::Imported
    }

    /// One sentence.
    pub fn sentence(&self) -> String {
        match self {
            Self::Published { release } if release == "any" => "byte for byte the published file".to_owned(),
            Self::Published { release } => format!("byte for byte the published file of MedMNIST {release}"),
            Self::SameRows { release, expected_md5 } => format!(
                "as many images as the published file ({release}), but other bytes: its MD5 is not {expected_md5}; it was \
                 repacked or changed"
            ),
            Self::Unknown => "neither the rows nor the MD5 of any published file".to_owned(),
            Self::Synthetic => "SYNTHETIC: drawn by Medley, no medical data".to_owned(),
            Self::Imported => "byte for byte the file that was imported".to_owned(),
            Self::Changed { expected_md5 } => {
                format!("not the file that was imported: its MD5 is not {expected_md5}, as its entry has it")
            }
        }
    }
}

/// One array of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ArrayDescription {
    /// Its name.
    pub name: String,
    /// Its dimensions, if it can be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shape: Option<Vec<usize>>,
    /// Its type as NumPy writes it, such as `|u1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dtype: Option<String>,
    /// Why it cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// What a file is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Description {
    /// The file.
    pub path: PathBuf,
    /// Its length, bytes.
    pub bytes: u64,
    /// MD5 of the file.
    pub md5: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Its arrays.
    pub arrays: Vec<ArrayDescription>,
    /// Name of the set it holds, if it is one of the registry's.
    pub set: Option<String>,
    /// Edge length of the images, if the set is known.
    pub size: Option<usize>,
    /// How it compares with the published files.
    pub verdict: Verdict,
    /// What is not as its name, or as the current release, has it.
    pub differences: Vec<String>,
    /// What it holds, if it could be opened as that set.
    pub record: Option<DataRecord>,
    /// Short name of the licence of the data.
    pub licence: Option<String>,
}

/// Reads a whole file, checks shapes, checksums and labels, and compares it with the registry. The set is known by the
/// file's name, or else by its content.
///
/// # Errors
/// Whatever makes the file unusable; a file that is usable but not the published one is a [`Verdict`].
pub fn verify(path: &Path, options: &OpenOptions) -> Result<Verification, DataError> {
    let (entry, size) = set_of(path)?;
    let opened = open_file(path, &entry, size, options)?;
    let synthetic = opened.record.release.as_deref() == Some("synthetic");
    let verdict = verdict(&entry, size, &opened.record.md5, opened.rows(), synthetic);
    Ok(Verification { record: opened.record, licence: entry.licence, verdict })
}

/// Says what an `.npz` file is, by its MD5, else by the shapes of its arrays, else by its name, and what differs from what was
/// published.
///
/// # Errors
/// [`DataError`] when it is no readable archive. Arrays that cannot be used are part of the description.
pub fn describe(path: &Path, options: &OpenOptions) -> Result<Description, DataError> {
    let contents = Contents::read(path)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let named = set_by_name(&name, path.parent().unwrap_or(Path::new("")))?;
    let found = contents.set().or_else(|| named.clone());
    let mut differences: Vec<String> = Vec::new();
    if let (Some((named, size)), Some((found, actual))) = (&named, &found)
        && (named.name.as_str(), size) != (found.name.as_str(), actual)
    {
        differences
            .push(format!("its name says {} at {size}, its content is {} at {actual}", named.title, found.title));
    }
    for array in &contents.arrays {
        if let Some(problem) = &array.problem {
            differences.push(format!("member `{}`: {problem}", array.name));
        }
    }
    let mut record = None;
    let mut verdict_found = if contents.synthetic { Verdict::Synthetic } else { Verdict::Unknown };
    if let Some((entry, size)) = &found {
        let size = *size;
        verdict_found = verdict(entry, size, &contents.md5, contents.rows().unwrap_or_default(), contents.synthetic);
        differences.extend(row_differences(entry, &contents));
        match open_file(path, entry, size, options) {
            Ok(opened) => record = Some(opened.record),
            Err(error) => differences.push(format!("it cannot be used as {}: {}", entry.title, error_text(&error))),
        }
    }
    if let Verdict::SameRows { expected_md5, .. } = &verdict_found {
        differences.push(format!("its MD5 is {}, published is {expected_md5}: repacked, or changed", contents.md5));
    }
    Ok(Description {
        path: path.to_owned(),
        bytes: contents.bytes,
        md5: contents.md5,
        sha256: contents.sha256,
        arrays: contents.arrays,
        set: found.as_ref().map(|(entry, _)| entry.name.clone()),
        size: found.as_ref().map(|(_, size)| *size),
        verdict: verdict_found,
        differences,
        record,
        licence: found.map(|(entry, _)| entry.licence.clone()),
    })
}

fn error_text(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

/// What can be told of a file without decoding its arrays.
struct Contents {
    bytes: u64,
    md5: String,
    sha256: String,
    arrays: Vec<ArrayDescription>,
    synthetic: bool,
}

impl Contents {
    fn read(path: &Path) -> Result<Self, DataError> {
        let archive = Archive::open(path)?;
        let (md5, sha256) = archive.hashes()?;
        let arrays = archive.members().iter().map(|member| array(member, archive.member(member))).collect();
        let synthetic = archive.is_synthetic();
        archive.unchanged()?;
        Ok(Self { bytes: archive.file_len(), md5, sha256, arrays, synthetic })
    }

    fn shape(&self, name: &str) -> Option<&[usize]> {
        self.arrays.iter().find(|array| array.name == name)?.shape.as_deref()
    }

    /// The published set that it holds.
    fn set(&self) -> Option<(Entry, usize)> {
        let images = ["train_images", "val_images", "test_images"].map(|name| self.shape(name));
        Registry::builtin().by_content(&self.md5, images).map(|(entry, size)| (entry.clone(), size))
    }

    /// Images of train, val and test.
    fn rows(&self) -> Option<[usize; 3]> {
        let rows = |name: &str| self.shape(name)?.first().copied();
        Some([rows("train_images")?, rows("val_images")?, rows("test_images")?])
    }
}

fn array(name: &str, member: Result<Member, DataError>) -> ArrayDescription {
    let name = name.to_owned();
    match member {
        Ok(member) => {
            let (shape, dtype) = (Some(member.header.shape), Some(member.header.item.to_string()));
            ArrayDescription { name, shape, dtype, problem: None }
        }
        Err(DataError::Array { problem, .. }) => {
            ArrayDescription { name, shape: None, dtype: None, problem: Some(problem) }
        }
        Err(error) => ArrayDescription { name, shape: None, dtype: None, problem: Some(error.to_string()) },
    }
}

fn verdict(entry: &Entry, size: usize, md5: &str, rows: [usize; 3], synthetic: bool) -> Verdict {
    if synthetic {
        return Verdict::Synthetic;
    }
    if entry.origin == Origin::User {
        let expected_md5 = entry.file(size).map(|file| file.md5.clone()).unwrap_or_default();
        return if md5 == expected_md5 { Verdict::Imported } else { Verdict::Changed { expected_md5 } };
    }
    match entry.identify(md5, rows) {
        Identity::Published(release) => Verdict::Published { release: release.name.clone() },
        Identity::SameRows(release) => {
            let file = release.files.iter().find(|file| file.size == size);
            let expected_md5 = file.map(|file| file.md5.clone()).unwrap_or_default();
            Verdict::SameRows { release: release.name.clone(), expected_md5 }
        }
        Identity::Unknown => Verdict::Unknown,
    }
}

/// How the rows compare with the current release, and with the one the competition uses.
fn row_differences(entry: &Entry, contents: &Contents) -> Vec<String> {
    let (Some(rows), Some(current)) = (contents.rows(), entry.releases.first()) else { return Vec::new() };
    if rows == current.rows {
        return Vec::new();
    }
    let generation = entry.releases.iter().find(|release| release.rows == rows);
    let mut differences = Vec::new();
    if let Some(release) = generation {
        differences.push(format!("it is of an older generation of files: MedMNIST {}", release.name));
    }
    for (split, (found, expected)) in ["train", "val", "test"].into_iter().zip(rows.into_iter().zip(current.rows)) {
        if found != expected {
            differences.push(format!("{split}: {found} images, the current release ({}) has {expected}", current.name));
        }
    }
    differences
}

#[cfg(test)]
mod tests {
    use super::*;
    use medley_data::{Array, write_npz};

    /// A file with these rows, 28x28 grey or coloured, of nothing.
    fn file(folder: &Path, name: &str, rows: [usize; 3], channels: usize) -> PathBuf {
        let images = rows.map(|rows| vec![7; rows * 784 * channels]);
        let labels = rows.map(|rows| vec![0; rows]);
        let names = ["train_images", "val_images", "test_images", "train_labels", "val_labels", "test_labels"];
        let shapes: Vec<Vec<usize>> = (0..6)
            .map(|at| match at {
                0..3 if channels == 1 => vec![rows[at], 28, 28],
                0..3 => vec![rows[at], 28, 28, channels],
                _ => vec![rows[at - 3], 1],
            })
            .collect();
        let bytes: Vec<&[u8]> = images.iter().chain(&labels).map(Vec::as_slice).collect();
        let arrays: Vec<Array<'_>> =
            (0..6).map(|at| Array { name: names[at], shape: &shapes[at], bytes: bytes[at] }).collect();
        let path = folder.join(name);
        write_npz(&medley_storage::RealFs, &path, &arrays, true).unwrap();
        path
    }

    fn described(rows: [usize; 3], channels: usize, name: &str) -> Description {
        let folder = tempfile::tempdir().unwrap();
        describe(&file(folder.path(), name, rows, channels), &OpenOptions::default()).unwrap()
    }

    #[test]
    fn a_renamed_file_is_known_by_its_shapes() {
        let found = described([546, 78, 156], 1, "pathmnist.npz");
        assert_eq!((found.set.as_deref(), found.size), (Some("breastmnist"), Some(28)));
        assert!(found.differences[0].contains("its name says PathMNIST at 28, its content is BreastMNIST at 28"));
        assert!(matches!(&found.verdict, Verdict::SameRows { release, .. } if release == "any"));
        assert!(found.differences.iter().any(|text| text.contains("published is 750601b1f35ba3300ea97c75c52ff8f6")));
        assert!(found.record.is_some());
    }

    #[test]
    fn the_older_generation_is_named() {
        let found = described([13_940, 2_452, 8_829], 1, "x.npz");
        assert_eq!(found.set.as_deref(), Some("organsmnist"));
        assert!(found.differences.iter().any(|text| text.contains("older generation of files: MedMNIST 2.0-2.2.3")));
        assert!(
            found.differences.iter().any(|text| text == "train: 13940 images, the current release (>=2.2.4) has 13932")
        );
    }

    #[test]
    fn what_is_nothing_known_is_described_all_the_same() {
        let found = described([4, 3, 2], 3, "mine.npz");
        assert_eq!((found.set, found.verdict), (None, Verdict::Unknown));
        assert_eq!(found.arrays.len(), 6);
        let test = found.arrays.iter().find(|array| array.name == "test_images").unwrap();
        assert_eq!((test.shape.as_deref(), test.dtype.as_deref()), (Some(&[2, 28, 28, 3][..]), Some("|u1")));
        // The rows of a grey set, but in colour.
        assert_eq!(described([546, 78, 156], 3, "mine.npz").set, None);
    }

    #[test]
    fn verification_finds_the_set_of_a_renamed_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(folder.path(), "mine.npz", [546, 78, 156], 1);
        assert_eq!(verify(&path, &OpenOptions::default()).unwrap().record.task.name, "breastmnist");
        let path = file(folder.path(), "other.npz", [5, 5, 5], 1);
        assert!(matches!(verify(&path, &OpenOptions::default()), Err(DataError::UnknownSet { .. })));
    }
}
