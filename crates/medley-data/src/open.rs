//! From a file to an [`OpenedTask`]: arrays checked against each other and against the task, test labels sealed.

use std::collections::BTreeMap;
use std::path::Path;

use medley_core::record::DataRecord;
use medley_core::{LabelledImages, Labels, OpenedTask, Origin, SealedTest, Split, TaskSpec};

use crate::archive::{Archive, Member};
use crate::arrays::{Arrays, Plan};
use crate::identify::{file_named, set_of};
use crate::labels;
use crate::registry::{Entry, Identity};
use crate::{DataError, OpenOptions, Registry};

/// A data set with the record of its file.
#[derive(Debug, Clone)]
pub struct OpenedFile {
    /// Images and labels.
    pub task: OpenedTask,
    /// What the run's manifest will say.
    pub record: DataRecord,
}

/// Opens a published set, or one of a user's own whose entry lies in the folder.
///
/// # Errors
/// [`DataError`], naming the path and the member.
pub fn open_task(folder: &Path, name: &str, size: usize, options: &OpenOptions) -> Result<OpenedFile, DataError> {
    let entry = &Registry::find_in(folder, name)?;
    open_file(&entry.path_in(folder, size)?, entry, size, options)
}

/// Opens a file as a set of the registry.
///
/// # Errors
/// [`DataError`], naming the path and the member.
pub fn open_file(path: &Path, entry: &Entry, size: usize, options: &OpenOptions) -> Result<OpenedFile, DataError> {
    let mut opened = open_spec(path, &entry.spec(size, entry.origin), options)?;
    if opened.task.spec.origin != Origin::Synthetic
        && let Identity::Published(release) = entry.identify(&opened.record.md5, opened.rows())
    {
        opened.record.release = Some(release.name.clone());
    }
    Ok(opened)
}

/// Opens a file as the set that [`set_of`] finds in it.
///
/// # Errors
/// [`DataError::UnknownSet`] when it is none, else as [`open_file`].
pub fn open_path(path: &Path, options: &OpenOptions) -> Result<OpenedFile, DataError> {
    let (entry, size) = set_of(path)?;
    open_file(path, &entry, size, options)
}

/// Opens what a person names: a file, or a set in a folder (see [`file_named`]).
///
/// # Errors
/// [`DataError::UnknownSet`] for other names, else as [`open_file`].
pub fn open_named(named: &Path, folder: &Path, options: &OpenOptions) -> Result<OpenedFile, DataError> {
    open_path(&file_named(named, folder)?, options)
}

/// Opens a file as a task that need not be in the registry. Its record names no release; a file that says that it is synthetic
/// is known as synthetic whatever the task says.
///
/// # Errors
/// [`DataError`], naming the path and the member.
pub fn open_spec(path: &Path, spec: &TaskSpec, options: &OpenOptions) -> Result<OpenedFile, DataError> {
    let archive = Archive::open(path)?;
    let synthetic = archive.is_synthetic();
    let spec = TaskSpec { origin: if synthetic { Origin::Synthetic } else { spec.origin }, ..spec.clone() };
    let plan = Plan::new(&archive, &spec)?;
    let (arrays, (md5, sha256)) = Arrays::of(path, &archive, &plan, options)?;
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

/// Decodes every array of an archive, several at the same time, as names and row-major bytes. Nothing is known of what
/// they mean; headers, sizes and checksums are checked as everywhere.
///
/// # Errors
/// [`DataError`], naming the path and the member.
pub fn decode_arrays(path: &Path) -> Result<Vec<(String, Vec<u8>)>, DataError> {
    let archive = Archive::open(path)?;
    let members: Vec<Member> = archive.members().iter().map(|name| archive.member(name)).collect::<Result<_, _>>()?;
    let needed = members.iter().map(|member| member.header.data_len as u64).sum();
    let limit = OpenOptions::default().memory_limit;
    if needed > limit {
        return Err(DataError::TooLarge { path: path.to_owned(), needed, limit });
    }
    let arrays = archive.read_all(&members.iter().collect::<Vec<_>>())?;
    archive.unchanged()?;
    Ok(members.into_iter().map(|member| member.name).zip(arrays).collect())
}

impl OpenedFile {
    /// Images of train, val and test.
    pub fn rows(&self) -> [usize; 3] {
        [self.task.train.len(), self.task.val.len(), self.task.test.images.len()]
    }
}

fn assemble(path: &Path, spec: TaskSpec, plan: &Plan, arrays: Arrays) -> Result<OpenedTask, DataError> {
    let (images, label_bytes) = arrays.split_up(spec.shape, plan.rows).map_err(DataError::content(path))?;
    let mut labels = Vec::with_capacity(3);
    for (bytes, member) in label_bytes.iter().zip(&plan.labels) {
        labels.push(labels::decode(path, member, bytes, &spec)?);
    }
    let mut parts = images.into_iter().zip(labels);
    let (Some(train), Some(val), Some(test)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(DataError::Archive { path: path.to_owned(), problem: "a split is missing".to_owned() });
    };
    Ok(OpenedTask {
        train: LabelledImages::new(&spec, Split::Train, train.0, train.1).map_err(DataError::content(path))?,
        val: LabelledImages::new(&spec, Split::Val, val.0, val.1).map_err(DataError::content(path))?,
        test: SealedTest::new(&spec, test.0, test.1).map_err(DataError::content(path))?,
        spec,
    })
}
