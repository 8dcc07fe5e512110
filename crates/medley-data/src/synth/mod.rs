//! Synthetic sets: the eleven competition tasks, drawn.
//!
//! The real files cannot always be had: behind a firewall, in continuous integration, before a licence is read. What is drawn
//! here has the same names, shapes, channels, classes and imbalance, is learnable by a small convolutional network, and is
//! not by a linear model, because no fixed pixel tells the class. It is no medical data, and says so: the file carries the
//! member `synthetic.npy`, and everything made from it is marked.
//!
//! Image `i` of a split is a function of (seed, task, split, i), so drawing is parallel and does not depend on threads, and a
//! smaller set is the beginning of a larger one.

mod canvas;
mod painters;

use std::path::{Path, PathBuf};

use medley_core::seed::{Purpose, stream};
use medley_core::{COMPETITION_TASKS, Origin, Split, TaskSpec};
use medley_storage::Storage;
use rand::RngExt as _;
use rayon::prelude::*;

use crate::open::find;
use crate::{Array, DataError, SYNTHETIC_MEMBER, write_npz};

/// A share of labels is wrong, as in real data: no perfect score is possible.
const LABEL_NOISE: f64 = 0.03;

/// What to draw.
#[derive(Debug, Clone, PartialEq)]
pub struct SynthOptions {
    /// Seed of the drawing.
    pub seed: u64,
    /// How many images.
    pub rows: Rows,
    /// Edge length in pixels.
    pub size: usize,
    /// Replace a synthetic file that exists. Other files are never replaced.
    pub overwrite: bool,
}

impl Default for SynthOptions {
    fn default() -> Self {
        Self { seed: 0, rows: Rows::AtMost(600), size: 28, overwrite: false }
    }
}

/// How many images a set gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    /// As many as the files of the competition.
    Official,
    /// As many, but not more than this in a split.
    AtMost(usize),
}

/// One split, drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drawn {
    /// `[N, H, W, C]`.
    pub images: Vec<u8>,
    /// `[N]`.
    pub labels: Vec<u8>,
}

/// Draws one split of a competition task.
pub fn draw(spec: &TaskSpec, split: Split, rows: usize, seed: u64) -> Drawn {
    let task = task_index(&spec.name) as u64;
    let labels: Vec<u8> = class_sequence(spec, split, rows, seed, task);
    let one = spec.shape.len();
    let mut images = vec![0; rows * one];
    images.par_chunks_exact_mut(one.max(1)).zip(labels.par_iter()).enumerate().for_each(|(index, (bytes, &class))| {
        let mut rng = stream(seed, Purpose::Synthetic, &[task, split as u64, index as u64]);
        let shown = if rng.random_bool(LABEL_NOISE) { rng.random_range(0..spec.outputs()) } else { usize::from(class) };
        let view = view(&spec.name);
        painters::paint(spec.modality, view, shown, spec.shape.height, &mut rng).write(spec.shape.channels, bytes);
    });
    Drawn { images, labels }
}

/// Classes in a random order with the task's priors; the first rows hold one of each class, so that none is missing.
fn class_sequence(spec: &TaskSpec, split: Split, rows: usize, seed: u64, task: u64) -> Vec<u8> {
    let priors = priors(&spec.name, split, spec.outputs());
    let total: f64 = priors.iter().sum();
    (0..rows)
        .map(|index| {
            if index < spec.outputs() {
                return index as u8;
            }
            let mut rng = stream(seed, Purpose::Synthetic, &[task, split as u64, index as u64, 1]);
            let mut draw = rng.random_range(0.0..total);
            let class = priors.iter().position(|&prior| {
                draw -= prior;
                draw < 0.0
            });
            class.unwrap_or(0) as u8
        })
        .collect()
}

/// Draws a set and writes `folder/{name}.npz`, whole or not at all.
///
/// # Errors
/// [`DataError::UnknownSet`] for other than the eleven competition tasks, [`DataError::InTheWay`] when a file is there that
/// may not be replaced, [`DataError::Storage`].
pub fn write_set(
    folder: &Path,
    name: &str,
    options: &SynthOptions,
    storage: &dyn Storage,
) -> Result<PathBuf, DataError> {
    let entry = find(name)?;
    if !COMPETITION_TASKS.contains(&name) {
        return Err(DataError::UnknownSet { name: format!("{name} (synthetic)"), suggestion: None });
    }
    let path = folder.join(entry.file_name(options.size));
    check_way(&path, name, options.overwrite)?;
    fs_err::create_dir_all(folder).map_err(|source| DataError::Io { path: folder.to_owned(), source })?;
    let spec = entry.spec(options.size, Origin::Synthetic);
    let official = entry.competition_rows();
    let splits: Vec<(Split, Drawn)> = (Split::ALL.into_iter().zip(official))
        .map(|(split, official)| {
            let rows = match options.rows {
                Rows::Official => official,
                Rows::AtMost(most) => official.min(most.max(spec.outputs())),
            };
            (split, draw(&spec, split, rows, options.seed))
        })
        .collect();
    write_arrays(storage, &path, &spec, &splits, options.seed)?;
    Ok(path)
}

fn write_arrays(
    storage: &dyn Storage,
    path: &Path,
    spec: &TaskSpec,
    splits: &[(Split, Drawn)],
    seed: u64,
) -> Result<(), DataError> {
    let shape = spec.shape;
    let remark = format!("SYNTHETIC, drawn by Medley with seed {seed}: no medical data");
    let remark_shape = [remark.len()];
    let named: Vec<(String, Vec<usize>, &[u8])> = splits
        .iter()
        .flat_map(|(split, drawn)| {
            let rows = drawn.labels.len();
            let mut dimensions = vec![rows, shape.height, shape.width];
            if shape.channels > 1 {
                dimensions.push(shape.channels);
            }
            [
                (format!("{split}_images"), dimensions, drawn.images.as_slice()),
                (format!("{split}_labels"), vec![rows, 1], drawn.labels.as_slice()),
            ]
        })
        .collect();
    let mut arrays: Vec<Array<'_>> = named.iter().map(|(name, shape, bytes)| Array { name, shape, bytes }).collect();
    arrays.push(Array { name: SYNTHETIC_MEMBER, shape: &remark_shape, bytes: remark.as_bytes() });
    write_npz(storage, path, &arrays, false)
}

/// Only a synthetic file may be replaced, and only when asked.
fn check_way(path: &Path, name: &str, overwrite: bool) -> Result<(), DataError> {
    if path.symlink_metadata().is_err() {
        return Ok(());
    }
    let synthetic = crate::archive::Archive::open(path, name)
        .is_ok_and(|archive| archive.members().iter().any(|member| member == SYNTHETIC_MEMBER));
    let problem = match (synthetic, overwrite) {
        (true, true) => return Ok(()),
        (true, false) => "is synthetic already; `--overwrite` draws it anew",
        (false, _) => "is not synthetic, so it is not replaced; choose another folder",
    };
    Err(DataError::InTheWay { path: path.to_owned(), problem })
}

fn task_index(name: &str) -> usize {
    COMPETITION_TASKS.iter().position(|task| *task == name).unwrap_or(COMPETITION_TASKS.len())
}

/// Axial, coronal and sagittal slices.
fn view(name: &str) -> u8 {
    match name {
        "organcmnist" => 1,
        "organsmnist" => 2,
        _ => 0,
    }
}

/// Relative frequencies of the classes, after the published files. OCT is balanced in its test split.
fn priors(name: &str, split: Split, classes: usize) -> Vec<f64> {
    let counts: &[f64] = match name {
        "pathmnist" => &[11_745.0, 11_413.0, 11_851.0, 12_191.0, 9_931.0, 14_128.0, 9_504.0, 10_867.0, 15_550.0],
        "dermamnist" => &[327.0, 514.0, 1_099.0, 115.0, 1_113.0, 6_705.0, 142.0],
        "octmnist" if split != Split::Test => &[34.0, 10.5, 7.76, 46.0],
        "pneumoniamnist" if split == Split::Test => &[234.0, 390.0],
        "pneumoniamnist" => &[1.0, 2.87],
        "retinamnist" => &[714.0, 186.0, 326.0, 282.0, 92.0],
        "breastmnist" => &[1.0, 2.71],
        "bloodmnist" => &[1_218.0, 3_117.0, 1_551.0, 2_895.0, 1_214.0, 1_420.0, 3_329.0, 2_348.0],
        "tissuemnist" => &[75_822.0, 11_164.0, 8_381.0, 22_009.0, 16_842.0, 11_008.0, 56_005.0, 35_155.0],
        "organamnist" | "organcmnist" | "organsmnist" => {
            &[2_147.0, 1_180.0, 1_157.0, 1_477.0, 1_976.0, 1_971.0, 6_033.0, 1_399.0, 1_517.0, 3_627.0, 2_737.0]
        }
        _ => &[],
    };
    if counts.len() == classes { counts.to_vec() } else { vec![1.0; classes] }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::Registry;

    fn spec(name: &str) -> TaskSpec {
        Registry::builtin().get(name).unwrap().spec(28, Origin::Synthetic)
    }

    #[test]
    fn every_task_has_all_classes_and_no_blank_image() {
        for name in COMPETITION_TASKS {
            let spec = spec(name);
            let drawn = draw(&spec, Split::Val, 60, 0);
            assert_eq!(drawn.images.len(), 60 * spec.shape.len());
            let classes: BTreeSet<u8> = drawn.labels.iter().copied().collect();
            assert_eq!(classes.len(), spec.outputs(), "{name}");
            for image in drawn.images.chunks_exact(spec.shape.len()) {
                assert!(image.iter().any(|&byte| byte != image[0]), "{name} has a constant image");
            }
        }
    }

    #[test]
    fn a_smaller_set_is_the_beginning_of_a_larger_one() {
        let spec = spec("bloodmnist");
        let (small, large) = (draw(&spec, Split::Train, 20, 3), draw(&spec, Split::Train, 50, 3));
        assert_eq!(small.labels[..], large.labels[..20]);
        assert_eq!(small.images[..], large.images[..small.images.len()]);
    }

    #[test]
    fn threads_do_not_matter_but_seeds_and_splits_do() {
        let spec = spec("retinamnist");
        let drawn = draw(&spec, Split::Train, 30, 1);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        assert_eq!(pool.install(|| draw(&spec, Split::Train, 30, 1)), drawn);
        assert_ne!(draw(&spec, Split::Train, 30, 2).images, drawn.images);
        assert_ne!(draw(&spec, Split::Test, 30, 1).images, drawn.images);
    }

    #[test]
    fn other_files_are_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("breastmnist.npz");
        fs_err::write(&path, b"precious").unwrap();
        let options = SynthOptions { overwrite: true, ..SynthOptions::default() };
        let error = write_set(folder.path(), "breastmnist", &options, &medley_storage::RealFs).unwrap_err();
        assert!(error.to_string().contains("not replaced"), "{error}");
        assert_eq!(fs_err::read(&path).unwrap(), b"precious");
    }
}
