//! What a finished network sees of an image.

use medley_core::record::RunResults;

use super::*;

fn results(root: &Path) -> RunResults {
    serde_json::from_slice(&std::fs::read(root.join("results.json")).unwrap()).unwrap()
}

/// Training does not know of test-time views; the predictions are the mean over them.
#[test]
fn views_change_the_predictions_and_not_the_training() {
    let plain = Laboratory::new("");
    let root = plain.finish();
    let viewed = plain.other(config("[augment]\ntest_time_views = 'builtin'")).finish();
    let (without, with) = (promised(&root), promised(&viewed));
    for (name, bytes) in &without {
        if name.starts_with("checkpoints") || name == "metrics.csv" {
            assert!(*bytes == with[name], "{name}");
        }
    }
    assert_ne!(results(&root).seeds[0].validation, results(&viewed).seeds[0].validation);
    // Every probability is still one.
    for (name, bytes) in with.iter().filter(|(name, _)| name.contains("bloodmnist_test")) {
        for line in String::from_utf8(bytes.clone()).unwrap().lines() {
            let sum: f64 = line.split(',').skip(1).map(|value| value.parse::<f64>().unwrap()).sum();
            assert!((sum - 1.0).abs() < 1e-4, "{name}: {line}");
        }
    }
}

#[test]
fn normalisation_is_what_the_config_says() {
    let plain = Laboratory::new("");
    let own = "[data]\nnormalisation = 'half'\n[data.normalisations.bloodmnist]\nmean = [0.1, 0.2, 0.3]\nstd = [1.0, 2.0, 4.0]";
    let text = format!("{}\n{own}", config("")).replace("seeds = [0, 1]", "seeds = [0]");
    let manifest = read_manifest(&RunLayout::new(plain.other(text).finish())).unwrap();
    assert_eq!(
        (&manifest.normalisation["breastmnist"].mean, &manifest.normalisation["breastmnist"].std),
        (&vec![0.5], &vec![0.5])
    );
    assert_eq!(manifest.normalisation["bloodmnist"].std, [1.0, 2.0, 4.0]);
    let wrong = plain.other(config("[data.normalisations.bloodmnist]\nmean = [0.1]\nstd = [1.0, 1.0]"));
    let error = wrong.start().err().unwrap().to_string();
    assert!(error.contains("1 means and 2 deviations"), "{error}");
}
