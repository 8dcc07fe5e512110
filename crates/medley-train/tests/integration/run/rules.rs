//! Runs that an older version began go on as it would have.

use medley_train::config::Rules;
use medley_train::observer::Memory;

use super::*;

/// 90 images in batches of 16.
const UNEVEN: &str = "[sampler]\nsamples_per_epoch = 90";

/// Images of the steps of an epoch, and what was warned of.
fn trained(run: Run<'_>) -> (Vec<usize>, Vec<String>) {
    let (memory, mut observers) = (Memory::default(), Observers::default());
    observers.push("memory", Box::new(memory.clone()));
    run.train(observers, &StopFlag::default()).unwrap();
    let (mut images, mut warnings) = (Vec::new(), Vec::new());
    for event in memory.take() {
        match event {
            Event::Step { seed: 0, epoch: 1, images: count, .. } => images.push(count),
            Event::Warning { message } if message.contains("bits") => warnings.push(message),
            _ => {}
        }
    }
    (images, warnings)
}

/// A run that has not yet made a step, begun by a version.
fn begun_by(laboratory: &Laboratory, version: &str) -> PathBuf {
    let run = laboratory.start().unwrap();
    let root = run.layout().root().to_owned();
    drop(run);
    let path = root.join("manifest.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let ours = format!("\"medley\": \"{}\"", env!("CARGO_PKG_VERSION"));
    assert!(text.contains(&ours), "{text}");
    std::fs::write(&path, text.replace(&ours, &format!("\"medley\": \"{version}\""))).unwrap();
    root
}

#[test]
fn batches_of_a_new_run_are_equally_large() {
    let laboratory = Laboratory::new(UNEVEN);
    let (images, warnings) = trained(laboratory.start().unwrap());
    assert_eq!((images, warnings.len()), (vec![15; 6], 0));
}

#[test]
fn a_run_of_version_0_1_has_the_batches_that_it_began_with() {
    let laboratory = Laboratory::new(UNEVEN);
    let root = begun_by(&laboratory, "0.1.0");
    let registry = Registry::builtin();
    let experiment = Experiment::load_recorded(&root.join("config.toml"), "0.1.0", registry).unwrap();
    assert_eq!(Some(experiment.rules()), Rules::of("0.1.0"));
    let (images, warnings) =
        trained(laboratory.session().resume(&experiment, RunFolder::open(&root).unwrap()).unwrap());
    assert_eq!((images, warnings), (vec![16, 16, 16, 16, 16, 10], Vec::new()));
}

#[test]
fn what_goes_on_otherwise_than_it_began_says_so() {
    let laboratory = Laboratory::new(UNEVEN);
    for version in ["0.1.0", "7.0.0"] {
        let root = begun_by(&laboratory, version);
        let (images, warnings) = trained(laboratory.resume(&root).unwrap());
        assert_eq!(images, vec![15; 6]);
        assert!(
            warnings[0].starts_with(&format!("the run was begun by medley {version}, and this is ")),
            "{warnings:?}"
        );
    }
}

#[test]
fn what_goes_on_with_other_instructions_says_so() {
    let laboratory = Laboratory::new(UNEVEN);
    for (key, other) in [("kernel_instructions", "NEON"), ("mkl_cbwr", "AVX,STRICT")] {
        let run = laboratory.start().unwrap();
        let root = run.layout().root().to_owned();
        drop(run);
        let path = root.join("manifest.json");
        let mut manifest: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert!(manifest["environment"]["kernel_instructions"].is_string());
        manifest["environment"][key] = other.into();
        std::fs::write(&path, manifest.to_string()).unwrap();
        let (_, warnings) = trained(laboratory.resume(&root).unwrap());
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].starts_with("this machine, libtorch, MKL_CBWR or the compute plan"), "{warnings:?}");
    }
}
