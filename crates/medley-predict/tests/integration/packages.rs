//! Packages: what they hold, and what is refused.

use std::path::Path;

use medley_core::Split;
use medley_core::text::widened;
use medley_models::weights;
use medley_package::{Classifier as _, NumberFormat, PackageError};
use medley_predict::{Bundle, ComputeOptions, MODEL, PredictError, README, TaskChoice, calibrate};
use medley_storage::RealFs;

use super::run::{Finished, TASKS};

/// The probabilities are those of the run, bit by bit.
fn assert_same(finished: &Finished, bundle: &Bundle) {
    for (index, model) in bundle.package().models().iter().enumerate() {
        let name = &model.task().name;
        let mut classifier = bundle.classifier(index, ComputeOptions::default()).unwrap();
        for split in [Split::Val, Split::Test] {
            let expected = finished.predictions(name, split);
            let answers = classifier.classify(&finished.images(name, split)).unwrap();
            assert_eq!(answers.len(), expected.rows());
            for (row, answer) in answers.iter().enumerate() {
                let found: Vec<f64> = answer.probabilities.iter().map(|&probability| widened(probability)).collect();
                assert_eq!(found, expected.row(row).to_vec(), "{name} {split} {row}");
            }
        }
    }
}

#[test]
fn a_run_and_its_package_have_the_bits_of_the_run() {
    // Everything that a task can have of its own in the trunk.
    let net =
        "backbone = { name = 'resnet9', width = 2 }\nbatch_norm = 'per_task'\nadapters = true\ntask_embedding = 3";
    let finished = Finished::train(&TASKS, net, "[augment]\ntest_time_views = 'builtin'");
    let source = finished.source(NumberFormat::Fp32);
    let all = Bundle::of_run(&source, &TaskChoice::All).unwrap();
    assert_same(&finished, &all);
    let one = Bundle::of_run(&source, &TaskChoice::One(TASKS[1].into())).unwrap();
    assert_same(&finished, &one);
    for (bundle, name) in [(all, "all"), (one, "one")] {
        let folder = finished.data().join(name);
        bundle.write(&RealFs, &folder).unwrap();
        let read = Bundle::read(&folder).unwrap();
        assert_eq!(read.package(), bundle.package());
        assert_same(&finished, &read);
        assert_eq!(read.verify(ComputeOptions::default()).unwrap().difference, Some(0.0));
        assert!(std::fs::read_to_string(folder.join(README)).unwrap().contains("SYNTHETIC"));
        assert!(matches!(bundle.write(&RealFs, &folder), Err(PredictError::Storage(_))));
    }
    let unknown = Bundle::of_run(&source, &TaskChoice::One("octmnist".into()));
    assert!(matches!(unknown, Err(PredictError::Task { .. })));
}

#[test]
fn validation_images_tell_what_is_unlike() {
    let finished = Finished::train(&TASKS[..1], "backbone = { name = 'resnet9', width = 2 }", "");
    let source = finished.source(NumberFormat::Bf16);
    let plain = Bundle::of_run(&source, &TaskChoice::All).unwrap();
    assert!(plain.package().models()[0].unlike().is_none());
    let bundle = calibrate(plain, &source, &RealFs).unwrap();
    let threshold = *bundle.package().models()[0].unlike().unwrap();
    let images = finished.images(TASKS[0], Split::Val);
    assert_eq!(threshold.rows, images.len() / 784);
    let answers = bundle.classifier(0, ComputeOptions::default()).unwrap().classify(&images).unwrap();
    let alarms = answers.iter().filter(|answer| answer.unlike.unwrap().warning).count();
    // In the same number format, so many are called so as the package says.
    assert_eq!(alarms as f64 / threshold.rows as f64, threshold.false_alarm_rate);
    let folder = finished.data().join("half");
    bundle.write(&RealFs, &folder).unwrap();
    // Noise is unlike them, by what the network sees of it; a package that does not say by what it compares does so by energy.
    let noise: Vec<u8> = (0..784_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let text = std::fs::read_to_string(folder.join(MODEL)).unwrap();
    assert!(text.contains("score = \"features\"\n"), "{text}");
    let unlike = |bundle: &Bundle| {
        let mut classifier = bundle.classifier(0, ComputeOptions::default()).unwrap();
        classifier.classify(&noise).unwrap()[0].unlike.unwrap()
    };
    let read = Bundle::read(&folder).unwrap();
    assert!(unlike(&read).warning && unlike(&read) == unlike(&bundle));
    std::fs::write(folder.join(MODEL), text.replace("score = \"features\"\n", "")).unwrap();
    assert_ne!(unlike(&Bundle::read(&folder).unwrap()).score, unlike(&read).score);
    std::fs::write(folder.join(MODEL), text).unwrap();
    let size = |path: &Path| std::fs::metadata(path.join("model.safetensors")).unwrap().len();
    let whole = Bundle::of_run(&finished.source(NumberFormat::Fp32), &TaskChoice::All).unwrap();
    whole.write(&RealFs, &finished.data().join("whole")).unwrap();
    assert!(size(&folder) < size(&finished.data().join("whole")));
    assert_eq!(Bundle::read(&folder).unwrap().verify(ComputeOptions::default()).unwrap().difference, Some(0.0));
}

/// Writes changed weights, with the hash that belongs to them.
fn with_weights(folder: &Path, text: &str, bytes: &[u8]) {
    use sha2::Digest as _;
    let hash = medley_core::text::hex(&sha2::Sha256::digest(bytes));
    let old = text.lines().find(|line| line.starts_with("sha256")).unwrap();
    let length = text.lines().find(|line| line.starts_with("bytes")).unwrap();
    let text = text.replacen(old, &format!("sha256 = \"{hash}\""), 1);
    let text = text.replacen(length, &format!("bytes = {}", bytes.len()), 1);
    std::fs::write(folder.join(MODEL), text).unwrap();
    std::fs::write(folder.join("model.safetensors"), bytes).unwrap();
}

#[test]
fn what_lies_is_refused() {
    let finished = Finished::train(&TASKS[..1], "backbone = { name = 'resnet9', width = 2 }", "");
    let folder = finished.data().join("package");
    let bundle = Bundle::of_run(&finished.source(NumberFormat::Fp32), &TaskChoice::All).unwrap();
    bundle.write(&RealFs, &folder).unwrap();
    let text = std::fs::read_to_string(folder.join(MODEL)).unwrap();
    let bytes = std::fs::read(folder.join("model.safetensors")).unwrap();
    let refused = || Bundle::read(&folder).err().unwrap_or_else(|| panic!("it was taken"));

    // Other bytes than the hash is of; a byte less; nothing.
    let mut other = bytes.clone();
    *other.last_mut().unwrap() ^= 1;
    std::fs::write(folder.join("model.safetensors"), &other).unwrap();
    assert!(matches!(refused(), PredictError::Weights { .. }));
    with_weights(&folder, &text, &bytes[..bytes.len() - 4]);
    assert!(matches!(refused(), PredictError::Weights { .. }), "{}", refused());
    std::fs::remove_file(folder.join("model.safetensors")).unwrap();
    assert!(matches!(refused(), PredictError::Read(_)));

    // Weights of another network, of another number format, and of numbers that are none.
    let (tensors, metadata) = weights::read(&bytes).unwrap();
    with_weights(&folder, &text, &weights::to_bytes(&tensors[1..], &metadata).unwrap());
    assert!(matches!(refused(), PredictError::Model(_)), "{}", refused());
    std::fs::write(folder.join(MODEL), text.replace("\"fp32\"\n\n[lineage", "\"bf16\"\n\n[lineage")).unwrap();
    std::fs::write(folder.join("model.safetensors"), &bytes).unwrap();
    assert!(refused().to_string().contains("model.toml says otherwise"), "{}", refused());
    let bad: Vec<_> = tensors.iter().map(|(name, tensor)| (name.clone(), tensor / 0.0)).collect();
    with_weights(&folder, &text, &weights::to_bytes(&bad, &metadata).unwrap());
    assert!(refused().to_string().contains("not finite"), "{}", refused());

    // Networks that the weights are not of: as large as they say, they would not fit into memory.
    std::fs::write(folder.join("model.safetensors"), &bytes).unwrap();
    for (from, to) in [("width = 2", "width = 200000"), ("width = 2", "width = 3"), ("resnet9", "resnet999")] {
        assert!(text.contains(from));
        std::fs::write(folder.join(MODEL), text.replacen(from, to, 1)).unwrap();
        assert!(matches!(refused(), PredictError::Model(_)), "{to}: {}", refused());
    }
    std::fs::write(folder.join(MODEL), text.replacen("Not for clinical use", "Safe", 1)).unwrap();
    assert!(matches!(refused(), PredictError::Package { error: PackageError::Value { .. }, .. }));

    // What images are compared with is missing, or is of no task.
    let unlike = "[tasks.unlike]\nscore = \"features\"\nthreshold = 2.0\nfalse_alarm_rate = 0.05\nrows = 78\n";
    std::fs::write(folder.join(MODEL), format!("{text}\n{unlike}")).unwrap();
    assert!(refused().to_string().contains("`unlike.breastmnist.mean` is missing"), "{}", refused());
    let mut more: Vec<_> = tensors.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone())).collect();
    more.push(("unlike.other.mean".to_owned(), tensors[0].1.shallow_clone()));
    with_weights(&folder, &text, &weights::to_bytes(&more, &metadata).unwrap());
    assert!(refused().to_string().contains("`unlike.other.mean` is of no task"), "{}", refused());

    // Weights that are whole, and answer otherwise than when the package was made.
    let doubled: Vec<_> = tensors.iter().map(|(name, tensor)| (name.clone(), tensor * -3.0_f64)).collect();
    let lying = text
        .replace("probabilities = [", "probabilities = [0.123, ")
        .replace("probabilities = [0.123, ", "probabilities = [");
    with_weights(&folder, &lying, &weights::to_bytes(&doubled, &metadata).unwrap());
    if let Ok(bundle) = Bundle::read(&folder) {
        assert!(bundle.verify(ComputeOptions::default()).is_err());
    }
}
