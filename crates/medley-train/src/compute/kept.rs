//! Choices that are kept, so that the next run of the same network on the same machine begins at once and has the same bits.
//!
//! Each is a small JSON file in the user's cache folder, named by a hash of all that the choice depends on. A file that cannot be
//! read, or is of something else, counts as none: the choice is made again, and replaces it. So does a folder that cannot be written.

use std::path::{Path, PathBuf};

use medley_core::record::CalibrationTrial;
use medley_core::text::hex;
use medley_models::calibration::{Calibration, ComputeChoices, Workload};
use medley_models::{ComputePlan, environment};
use medley_storage::{RealFs, read_file, remove_if_present, user_cache_folder, write_whole};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// The largest file that is read, bytes.
const LARGEST: u64 = 1 << 16;
/// Of the rules by which a choice is made: choices by others are not taken.
const VERSION: u32 = 5;

/// `medley/compute` in the user's cache folder, beside the decoded data; none where it is not known.
pub fn default_folder() -> Option<PathBuf> {
    user_cache_folder().map(|cache| cache.join("medley/compute"))
}

/// The kept choices of a folder.
///
/// # Errors
/// When the folder is there and cannot be listed.
pub fn list(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let entries = match fs_err::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.len() == NAME_LENGTH && name.ends_with(".json") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// How many choices of a folder can be read, and how many files cannot, which count as none.
///
/// # Errors
/// As [`list()`].
pub fn count(folder: &Path) -> std::io::Result<(usize, usize)> {
    let files = list(folder)?;
    let readable = files.iter().filter(|path| read(path).is_some()).count();
    Ok((readable, files.len() - readable))
}

fn read(path: &Path) -> Option<Kept> {
    serde_json::from_slice(&read_file(path, LARGEST).ok()?).ok()
}

/// Removes the kept choices of a folder, and says how many there were.
///
/// # Errors
/// When one cannot be removed.
pub fn forget(folder: &Path) -> std::io::Result<usize> {
    let files = list(folder)?;
    files.iter().try_for_each(|path| remove_if_present(path))?;
    Ok(files.len())
}

/// Sixteen hexadecimal digits and `.json`.
const NAME_LENGTH: usize = 21;

/// What a file holds.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    /// All that the choice depends on, to be compared: a hash alone could be of something else.
    of: Value,
    plan: ComputePlan,
    trials: Vec<CalibrationTrial>,
}

/// Where the choice for a workload is kept.
pub(super) struct KeptFile {
    path: PathBuf,
    of: Value,
    choices: ComputeChoices,
}

impl KeptFile {
    pub(super) fn new(folder: &Path, workload: &Workload<'_>, choices: &ComputeChoices) -> Self {
        let of = json!({
            "version": VERSION,
            "medley": env!("CARGO_PKG_VERSION"),
            "libtorch": environment::libtorch_version(),
            "processor": environment::processor_name(),
            "capability": environment::cpu_capability(),
            "waiting": std::env::var("OMP_WAIT_POLICY").ok(),
            "mkl": environment::mkl_cbwr(),
            "choices": choices,
            "network": workload.net.config(),
            "outputs": workload.tasks.iter().map(medley_core::TaskSpec::outputs).collect::<Vec<_>>(),
            "input": [workload.input_channels, workload.input_size],
            "batch_size": workload.batch_size,
        });
        let hash = hex(&Sha256::digest(of.to_string())[..8]);
        Self { path: folder.join(format!("{hash}.json")), of, choices: *choices }
    }

    /// The choice that was made before, if it is one that could be made now.
    pub(super) fn read(&self) -> Option<(ComputePlan, Vec<CalibrationTrial>)> {
        let kept = read(&self.path)?;
        (kept.of == self.of && self.is_possible(&kept)).then_some((kept.plan, kept.trials))
    }

    /// Whether the plan is what was tried, and within what may be tried: the file may have been changed by hand.
    fn is_possible(&self, kept: &Kept) -> bool {
        let Kept { plan, trials, .. } = kept;
        let ComputeChoices { device, cores, precision, memory_layout, convolutions, replicas } = self.choices;
        let was_tried = |trial: &CalibrationTrial| {
            (trial.precision, trial.memory_layout, trial.convolutions, trial.threads, trial.replicas)
                == (plan.precision, plan.memory_layout, plan.convolutions, plan.threads, plan.replicas)
        };
        trials.iter().any(was_tried)
            && plan.device == device
            && precision.is_none_or(|precision| precision == plan.precision)
            && memory_layout.is_none_or(|layout| layout == plan.memory_layout)
            && convolutions.is_none_or(|convolutions| convolutions == plan.convolutions)
            && (1..=cores.max(1)).contains(&plan.threads)
            && match replicas {
                Some(replicas) => replicas == plan.replicas,
                None => (1..=cores.max(1)).contains(&plan.replicas),
            }
    }

    /// Keeps a choice. That it could not be is no fault of the run.
    pub(super) fn keep(&self, calibration: &Calibration) {
        let kept = Kept { of: self.of.clone(), plan: calibration.plan, trials: calibration.trials() };
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let written = serde_json::to_vec_pretty(&kept).map_err(std::io::Error::from).and_then(|bytes| {
            medley_storage::create_folder(folder).map_err(std::io::Error::other)?;
            write_whole(&RealFs, &self.path, &bytes).map_err(std::io::Error::other)
        });
        if let Err(error) = written {
            tracing::debug!("the compute plan is not kept: {error}");
        }
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "fixtures of tests need not survive a crash")]
mod tests {
    use std::fs;

    use medley_core::TaskSpec;
    use medley_models::calibration::Measurement;
    use medley_models::conformance::task;
    use medley_models::{NetConfig, ValidatedNet};
    use tch::Device;

    use super::*;

    const OPEN: ComputeChoices = ComputeChoices::open(Device::Cpu, 2);

    fn workload<'a>(net: &'a ValidatedNet, tasks: &'a [TaskSpec]) -> Workload<'a> {
        Workload { net, tasks, input_channels: 3, input_size: 28, batch_size: 64 }
    }

    fn calibration() -> Calibration {
        let plan = ComputePlan { threads: 2, ..ComputePlan::default() };
        Calibration { plan, measured: vec![Measurement { plan, images_per_second: 9.5, images_per_cpu_second: 5.0 }] }
    }

    #[test]
    fn a_choice_is_found_again_for_the_same_workload_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (net, tasks) = (NetConfig::default().validated().unwrap(), [task("a", 2), task("b", 3)]);
        let folder = folder.path().join("compute");
        let place = KeptFile::new(&folder, &workload(&net, &tasks), &OPEN);
        assert_eq!(place.read(), None);
        place.keep(&calibration());
        assert_eq!(place.read(), Some((calibration().plan, calibration().trials())));
        assert_eq!(list(&folder).unwrap().len(), 1);

        let one_core = ComputeChoices { cores: 1, ..OPEN };
        assert_eq!(KeptFile::new(&folder, &workload(&net, &tasks), &one_core).read(), None);
        assert_eq!(KeptFile::new(&folder, &workload(&net, &tasks[..1]), &OPEN).read(), None);
        let larger = Workload { batch_size: 128, ..workload(&net, &tasks) };
        assert_eq!(KeptFile::new(&folder, &larger, &OPEN).read(), None);
    }

    #[test]
    fn what_is_no_choice_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let (net, tasks) = (NetConfig::default().validated().unwrap(), [task("a", 2)]);
        let place = KeptFile::new(folder.path(), &workload(&net, &tasks), &OPEN);
        place.keep(&calibration());
        let text = fs::read_to_string(&place.path).unwrap();
        for damaged in [
            "",
            "{}",
            "[1]",
            &text[..text.len() / 2],
            &text.replace("\"batch_size\": 64", "\"batch_size\": 65"),
            // Plans that were not tried, or cannot be.
            &text.replace("\"threads\": 2", "\"threads\": 0"),
            &text.replace("\"threads\": 2", "\"threads\": 500"),
            &text.replacen("\"replicas\": 1", "\"replicas\": 2", 1),
        ] {
            fs::write(&place.path, damaged).unwrap();
            assert_eq!(place.read(), None, "{damaged}");
        }
        assert_eq!(count(folder.path()).unwrap(), (1, 0), "it can be read, though it is of no run");
        fs::write(&place.path, "{").unwrap();
        assert_eq!(count(folder.path()).unwrap(), (0, 1));
        place.keep(&calibration());
        assert!(place.read().is_some());
        // A folder that is a file cannot be written, and the run goes on.
        let nowhere = KeptFile::new(&place.path, &workload(&net, &tasks), &OPEN);
        nowhere.keep(&calibration());
        assert_eq!(nowhere.read(), None);
    }

    #[test]
    fn forgetting_leaves_other_files_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (net, tasks) = (NetConfig::default().validated().unwrap(), [task("a", 2)]);
        KeptFile::new(folder.path(), &workload(&net, &tasks), &OPEN).keep(&calibration());
        fs::write(folder.path().join("notes.json"), "{}").unwrap();
        assert_eq!((forget(folder.path()).unwrap(), forget(folder.path()).unwrap()), (1, 0));
        assert!(folder.path().join("notes.json").exists());
        assert_eq!(forget(&folder.path().join("none")).unwrap(), 0);
    }
}
