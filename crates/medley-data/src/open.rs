//! From a file to an [`OpenedTask`]: arrays checked against each other and against the task, test labels sealed.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use medley_core::record::DataRecord;
use medley_core::{
    CoreError, ImageSource, Images, LabelledImages, Labels, OpenedTask, Origin, SealedTest, Split, TaskKind, TaskSpec,
};
use rayon::prelude::*;

use crate::archive::{Archive, Member};
use crate::npy::{self, Kind};
use crate::registry::{Entry, Identity};
use crate::{DataError, Registry};

/// The extra member by which a drawn set is known. NumPy and the medmnist package ignore it.
pub const SYNTHETIC_MEMBER: &str = "synthetic";

/// Limits of reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenOptions {
    /// Bytes that the decoded arrays of one file may take. By default half of the memory that is free (8 GiB where that
    /// cannot be read).
    pub memory_limit: u64,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self { memory_limit: free_memory().map_or(8 << 30, |free| free / 2) }
    }
}

/// A data set with the record of its file.
#[derive(Debug, Clone)]
pub struct OpenedFile {
    /// Images and labels.
    pub task: OpenedTask,
    /// What the run's manifest will say.
    pub record: DataRecord,
}

/// Opens a set of the registry in a folder.
///
/// # Errors
/// [`DataError`], naming the path and the member.
pub fn open_task(folder: &Path, name: &str, size: usize, options: &OpenOptions) -> Result<OpenedFile, DataError> {
    let entry = find(name)?;
    if entry.file(size).is_none() {
        return Err(DataError::UnknownSize { name: name.to_owned(), size, sizes: entry.sizes() });
    }
    open_file(&folder.join(entry.file_name(size)), entry, size, options)
}

/// Opens a file as a set of the registry.
///
/// # Errors
/// [`DataError`], naming the path and the member.
pub fn open_file(path: &Path, entry: &Entry, size: usize, options: &OpenOptions) -> Result<OpenedFile, DataError> {
    let mut opened = open_spec(path, &entry.spec(size, Origin::Official), options)?;
    if opened.task.spec.origin != Origin::Synthetic
        && let Identity::Published(release) = entry.identify(&opened.record.md5, opened.rows())
    {
        opened.record.release = Some(release.name.clone());
    }
    Ok(opened)
}

/// Opens a file as the set that its name says, such as `breastmnist_64.npz`.
///
/// # Errors
/// [`DataError::UnknownSet`] for other names, else as [`open_file`].
pub fn open_path(path: &Path, options: &OpenOptions) -> Result<OpenedFile, DataError> {
    let (entry, size) = set_of(path)?;
    open_file(path, entry, size, options)
}

/// Opens a file as a task that need not be in the registry. Its record names no release; a file that says that it was drawn
/// is known as synthetic whatever the task says.
///
/// # Errors
/// [`DataError`], naming the path and the member.
pub fn open_spec(path: &Path, spec: &TaskSpec, options: &OpenOptions) -> Result<OpenedFile, DataError> {
    let archive = Archive::open(path, &spec.name)?;
    let synthetic = archive.members().iter().any(|member| member == SYNTHETIC_MEMBER);
    let spec = TaskSpec { origin: if synthetic { Origin::Synthetic } else { spec.origin }, ..spec.clone() };
    let plan = Plan::new(path, &archive, &spec, options)?;
    let (hashes, arrays) = rayon::join(|| archive.hashes(), || plan.read(&archive));
    let ((md5, sha256), arrays) = (hashes?, arrays?);
    archive.unchanged()?;
    let task = assemble(path, spec, &plan, arrays)?;
    let counts = |labels: &Labels| {
        labels.class_counts(task.spec.outputs()).into_iter().map(|count| count as u64).collect::<Vec<_>>()
    };
    let record = DataRecord {
        file: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        md5,
        sha256,
        release: synthetic.then(|| "synthetic".to_owned()),
        rows: Split::ALL.into_iter().zip(plan.rows).collect(),
        class_counts: BTreeMap::from([
            (Split::Train, counts(task.train.labels())),
            (Split::Val, counts(task.val.labels())),
        ]),
        task: task.spec.clone(),
    };
    Ok(OpenedFile { task, record })
}

impl OpenedFile {
    /// Images of train, val and test.
    pub fn rows(&self) -> [usize; 3] {
        [self.task.train.len(), self.task.val.len(), self.task.test.images.len()]
    }
}

/// The set and size that a path's file name stands for.
///
/// # Errors
/// [`DataError::UnknownSet`].
pub fn set_of(path: &Path) -> Result<(&'static Entry, usize), DataError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Registry::builtin().by_file_name(&name).ok_or_else(|| DataError::UnknownSet {
        suggestion: Registry::builtin().suggest(name.trim_end_matches(".npz")).map(|known| format!("{known}.npz")),
        name: name.into_owned(),
    })
}

/// A set by name, or an error that suggests one.
pub(crate) fn find(name: &str) -> Result<&'static Entry, DataError> {
    let registry = Registry::builtin();
    registry.get(name).ok_or_else(|| DataError::UnknownSet {
        name: name.to_owned(),
        suggestion: registry.suggest(name).map(str::to_owned),
    })
}

/// The six arrays, their headers checked against the task, before any of them is read.
struct Plan {
    images: [Member; 3],
    labels: [Member; 3],
    rows: [usize; 3],
}

impl Plan {
    fn new(path: &Path, archive: &Archive, spec: &TaskSpec, options: &OpenOptions) -> Result<Self, DataError> {
        let member = |split: Split, what: &str| archive.member(&format!("{split}_{what}"));
        let of = |what: &str| -> Result<[Member; 3], DataError> {
            Ok([member(Split::Train, what)?, member(Split::Val, what)?, member(Split::Test, what)?])
        };
        let (images, labels) = (of("images")?, of("labels")?);
        let mut rows = [0; 3];
        for (index, (images, labels)) in images.iter().zip(&labels).enumerate() {
            check_images(archive, images, spec)?;
            check_labels(archive, labels, spec)?;
            rows[index] = images.header.shape[0];
            if labels.header.shape[0] != rows[index] {
                let problem = format!("it has {} rows, but there are {} images", labels.header.shape[0], rows[index]);
                return Err(archive.array_error(&labels.name, problem));
            }
            if rows[index] == 0 {
                return Err(archive.array_error(&images.name, "it has no images".to_owned()));
            }
        }
        let needed = images.iter().chain(&labels).map(|member| member.header.data_len as u64).sum();
        if needed > options.memory_limit {
            return Err(DataError::TooLarge { path: path.to_owned(), needed, limit: options.memory_limit });
        }
        Ok(Self { images, labels, rows })
    }

    /// All arrays, inflated in parallel: the result does not depend on the number of threads.
    fn read(&self, archive: &Archive) -> Result<Vec<Vec<u8>>, DataError> {
        let members: Vec<&Member> = self.images.iter().chain(&self.labels).collect();
        members.par_iter().with_max_len(1).map(|member| archive.read(member)).collect()
    }
}

fn check_images(archive: &Archive, member: &Member, spec: &TaskSpec) -> Result<(), DataError> {
    let wrong = |problem: String| Err(archive.array_error(&member.name, problem));
    if member.header.kind != Kind::U8 {
        return wrong("images must be of type uint8 (`|u1`), 0 to 255".to_owned());
    }
    let shape = spec.shape;
    let mut one: Vec<usize> = shape.depth.into_iter().collect();
    one.extend([shape.height, shape.width]);
    let found = member.header.shape.get(1..).unwrap_or_default();
    // Grey images are stored without a channel axis, or with one of length 1.
    let matches = found == [one.as_slice(), &[shape.channels]].concat() || (shape.channels == 1 && found == one);
    if matches {
        Ok(())
    } else {
        wrong(format!("its shape is {:?}, but images of {} are {shape}", member.header.shape, spec.title))
    }
}

fn check_labels(archive: &Archive, member: &Member, spec: &TaskSpec) -> Result<(), DataError> {
    let width = spec.label_width();
    let found = member.header.shape.as_slice();
    let matches = matches!(found, [_, columns] if *columns == width) || (width == 1 && found.len() == 1);
    if matches {
        return Ok(());
    }
    let expected =
        if spec.kind == TaskKind::MultiLabel { format!("(N, {width})") } else { "(N, 1) or (N,)".to_owned() };
    let problem = format!("its shape is {found:?}, but labels of {} are {expected}", spec.title);
    Err(archive.array_error(&member.name, problem))
}

fn assemble(path: &Path, spec: TaskSpec, plan: &Plan, arrays: Vec<Vec<u8>>) -> Result<OpenedTask, DataError> {
    let mut arrays = arrays.into_iter();
    let mut images = Vec::with_capacity(3);
    for (bytes, rows) in arrays.by_ref().take(3).zip(plan.rows) {
        let source: Arc<dyn ImageSource> = Arc::new(Images::new(spec.shape, rows, bytes).map_err(content(path))?);
        images.push(source);
    }
    let mut labels = Vec::with_capacity(3);
    for ((bytes, member), rows) in arrays.zip(&plan.labels).zip(plan.rows) {
        let values = npy::labels(member.header.kind, &bytes).map_err(|problem| DataError::Array {
            path: path.to_owned(),
            member: member.name.clone(),
            problem,
        })?;
        labels.push(Labels::multi(values, rows, spec.label_width()).map_err(content(path))?);
    }
    let mut parts = images.into_iter().zip(labels);
    let (Some(train), Some(val), Some(test)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(DataError::Archive { path: path.to_owned(), problem: "a split is missing".to_owned() });
    };
    Ok(OpenedTask {
        train: LabelledImages::new(&spec, Split::Train, train.0, train.1).map_err(content(path))?,
        val: LabelledImages::new(&spec, Split::Val, val.0, val.1).map_err(content(path))?,
        test: SealedTest::new(&spec, test.0, test.1).map_err(content(path))?,
        spec,
    })
}

fn content(path: &Path) -> impl Fn(CoreError) -> DataError + '_ {
    |source| DataError::Content { path: path.to_owned(), source }
}

/// `MemAvailable` of the kernel, bytes.
fn free_memory() -> Option<u64> {
    let text = fs_err::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
}
