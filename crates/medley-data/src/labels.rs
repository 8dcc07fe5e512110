//! The labels of a split without the images: what scoring needs of a file.

use std::path::Path;

use medley_core::{Labels, Origin, SealedLabels, Split, TaskKind, TaskSpec};

use crate::DataError;
use crate::archive::{Archive, Member};

/// Labels of one split, sealed whichever it is: they are read to be compared with predictions.
#[derive(Debug, Clone)]
pub struct SplitLabels {
    /// The task, as synthetic if the file says so.
    pub spec: TaskSpec,
    /// The labels.
    pub labels: SealedLabels,
}

/// Reads the labels of a split from a MedMNIST file, or from an `.npz` that holds labels alone: the member `{split}_labels`,
/// else `labels`, else the only one. Nothing else of the file is decoded.
///
/// # Errors
/// [`DataError`], naming the path and the member; among others when labels are not those of the task.
pub fn read_labels(path: &Path, spec: &TaskSpec, split: Split) -> Result<SplitLabels, DataError> {
    let archive = Archive::open(path)?;
    let synthetic = archive.is_synthetic();
    let spec = TaskSpec { origin: if synthetic { Origin::Synthetic } else { spec.origin }, ..spec.clone() };
    let member = archive.member(&name_of(&archive, split))?;
    check_shape(&archive, &member, &spec)?;
    let bytes = archive.read(&member)?;
    archive.unchanged()?;
    let labels = decode(path, &member, &bytes, &spec)?;
    spec.check_labels(&labels).map_err(DataError::content(path))?;
    Ok(SplitLabels { labels: SealedLabels::seal(&spec.name, labels), spec })
}

fn name_of(archive: &Archive, split: Split) -> String {
    let wanted = format!("{split}_labels");
    match archive.members() {
        _ if archive.has(&wanted) => wanted,
        _ if archive.has("labels") => "labels".to_owned(),
        [only] => only.clone(),
        _ => wanted,
    }
}

/// Checks that an array has the shape of the labels of a task.
pub(crate) fn check_shape(archive: &Archive, member: &Member, spec: &TaskSpec) -> Result<(), DataError> {
    let width = spec.label_width();
    let shape = member.header.shape.as_slice();
    if matches!(shape, [_, columns] if *columns == width) || (width == 1 && shape.len() == 1) {
        return Ok(());
    }
    let expected = if spec.kind == TaskKind::MultiLabel { format!("(N, {width})") } else { "(N, 1) or (N,)".into() };
    let problem = format!("its shape is {shape:?}, but labels of {} are {expected}", spec.title);
    Err(archive.array_error(&member.name, problem))
}

/// The labels in an array whose shape was checked.
pub(crate) fn decode(path: &Path, member: &Member, bytes: &[u8], spec: &TaskSpec) -> Result<Labels, DataError> {
    let values = medley_npy::class_indices(member.header.item, bytes).map_err(|error| DataError::Array {
        path: path.to_owned(),
        member: member.name.clone(),
        problem: error.to_string(),
    })?;
    Labels::multi(values, member.header.shape[0], spec.label_width()).map_err(DataError::content(path))
}

#[cfg(test)]
mod tests {
    use medley_core::ScoringToken;
    use medley_storage::RealFs;

    use super::*;
    use crate::{Array, Registry, write_npz};

    fn open(labels: &SplitLabels) -> Vec<u16> {
        let rows = labels.labels.rows();
        let token = ScoringToken::for_written(&labels.spec.name, rows, [0; 32]);
        labels.labels.open(&token).unwrap().values().to_vec()
    }

    #[test]
    fn labels_are_found_under_three_names() {
        let folder = tempfile::tempdir().unwrap();
        let spec = Registry::builtin().get("breastmnist").unwrap().spec(28, Origin::Official);
        let written = |file: &str, arrays: &[(&str, &[u8])]| {
            let path = folder.path().join(file);
            let shapes: Vec<[usize; 2]> = arrays.iter().map(|(_, values)| [values.len(), 1]).collect();
            let arrays: Vec<Array<'_>> = arrays
                .iter()
                .zip(&shapes)
                .map(|((name, values), shape)| Array { name, shape: shape.as_slice(), bytes: values })
                .collect();
            write_npz(&RealFs, &path, &arrays, true).unwrap();
            path
        };
        let whole = written("whole.npz", &[("val_labels", &[1]), ("test_labels", &[0, 1])]);
        assert_eq!(open(&read_labels(&whole, &spec, Split::Test).unwrap()), [0, 1]);
        assert_eq!(open(&read_labels(&whole, &spec, Split::Val).unwrap()), [1]);
        assert!(matches!(read_labels(&whole, &spec, Split::Train), Err(DataError::MissingMember { .. })));
        for name in ["labels", "arr_0"] {
            let path = written(&format!("{name}.npz"), &[(name, &[1, 0, 1])]);
            assert_eq!(open(&read_labels(&path, &spec, Split::Test).unwrap()), [1, 0, 1]);
        }
        let wrong = written("wrong.npz", &[("labels", &[1, 2])]);
        assert!(matches!(read_labels(&wrong, &spec, Split::Test), Err(DataError::Content { .. })));
    }
}
