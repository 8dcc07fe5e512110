//! How the predictions of run folders were computed: numbers that were rounded differently are not the same experiment.

use std::path::Path;

use medley_core::record::Environment;
use medley_core::text::list;

use crate::PredictionError;
use crate::record::manifest_around;

/// What computed the predictions of a run folder, or in one; `None` of other paths.
///
/// # Errors
/// When the folder has a manifest that cannot be read.
pub fn environment(path: &Path) -> Result<Option<Environment>, PredictionError> {
    Ok(manifest_around(path)?.map(|(_, manifest)| manifest.environment))
}

/// Says how runs were computed, each with its name, where precision or device are not the same for all of them.
pub fn differing_computation(runs: &[(&str, Environment)]) -> Option<String> {
    let (_, first) = runs.first()?;
    let precision = runs.iter().any(|(_, run)| run.precision != first.precision);
    let device = runs.iter().any(|(_, run)| run.device != first.device);
    let how = |run: &Environment| match (precision, device) {
        (true, true) => format!("in {} on {}", run.precision, run.device),
        (true, false) => format!("in {}", run.precision),
        _ => format!("on {}", run.device),
    };
    let each: Vec<String> = runs.iter().map(|(name, run)| format!("`{name}` {}", how(run))).collect();
    (precision || device).then(|| {
        format!(
            "the runs were computed differently: {}; a small difference may be rounding, not the method",
            list(&each)
        )
    })
}

#[cfg(test)]
mod tests {
    use medley_core::{Convolutions, MemoryLayout, Precision};

    use super::*;

    fn run(precision: Precision, device: &str) -> Environment {
        Environment {
            medley: "0.1.0".into(),
            libtorch: "2.11.0".into(),
            device: device.into(),
            cpu_capability: "avx2".into(),
            threads: 2,
            precision,
            memory_layout: MemoryLayout::Contiguous,
            convolutions: Convolutions::Libtorch,
            replicas: 1,
            platform: "linux-x86_64".into(),
            kernel_instructions: None,
            mkl_cbwr: None,
        }
    }

    #[test]
    fn what_differs_is_said_and_nothing_else() {
        let (full, half) = (run(Precision::Fp32, "cpu"), run(Precision::Bf16, "cpu"));
        assert_eq!(differing_computation(&[("a", full.clone()), ("b", full.clone())]), None);
        assert_eq!(differing_computation(&[]), None);
        let said = differing_computation(&[("a", full.clone()), ("b", half)]).unwrap();
        assert!(said.contains("`a` in fp32 and `b` in bf16;"), "{said}");
        let said = differing_computation(&[("a", full), ("b", run(Precision::Fp32, "cuda:0"))]).unwrap();
        assert!(said.contains("`a` on cpu and `b` on cuda:0;"), "{said}");
    }

    #[test]
    fn a_path_that_is_no_run_has_no_environment() {
        let folder = tempfile::tempdir().unwrap();
        assert!(environment(folder.path()).unwrap().is_none());
        fs_err::write(folder.path().join("manifest.json"), "{").unwrap();
        assert!(environment(folder.path()).is_err());
    }
}
