//! What may be around a step: every part of a recipe changes the bits, and an interruption does not.

use super::callbacks::interrupted_at;
use super::*;

/// What a recipe adds to the plain experiment, which has two epochs of six steps.
const RECIPES: [(&str, &str); 16] = [
    ("sharpness", "[optimizer.sam]\nrho = 0.5"),
    ("adaptive sharpness", "[optimizer.sam]\nrho = 0.5\nadaptive = true"),
    ("lookahead", "[optimizer.lookahead]\nevery = 4"),
    ("muon", "[optimizer]\nname = 'muon'"),
    ("weight averaging", "[average]\nname = 'swa'\nstart = 0.0\nmeasure_on = 2"),
    ("mixing", "[augment.mix]\nmixup_alpha = 0.4\ncutmix_alpha = 1.0"),
    ("fixed weights", "[task_weights]\nname = 'fixed'\nweights = { bloodmnist = 2.0 }"),
    ("uncertainty", "[task_weights]\nname = 'uncertainty'\nrate = 0.1"),
    ("random weights", "[task_weights]\nname = 'random'"),
    ("losses above zero", "[task_weights]\nname = 'famo'"),
    ("ordinal by sums", "[loss]\nname = 'coral'"),
    ("ordinal by conditions", "[loss]\nname = 'corn'"),
    ("kappa", "[loss]\nname = 'quadratic_kappa'"),
    ("repeats", "[sampler]\nrepeats = 3"),
    ("need", "[sampler]\nneed = 2.0"),
    ("mixing of one task", "[augment]\nmix = { mixup_alpha = 0.4 }\nmix_tasks = ['bloodmnist']"),
];

fn weights_of(files: &BTreeMap<String, Vec<u8>>) -> Vec<&Vec<u8>> {
    let is_best = |name: &str| name.contains("/best-") && name.ends_with("model.safetensors");
    files.iter().filter(|(name, _)| is_best(name)).map(|(_, bytes)| bytes).collect()
}

#[test]
fn every_recipe_changes_the_bits_and_an_interruption_does_not() {
    let plain = Laboratory::new("");
    let one_seed = |keys: &str| plain.other(config(keys).replace("seeds = [0, 1]", "seeds = [0]"));
    let mut seen = vec![weights_of(&promised(&one_seed("").finish())).into_iter().cloned().collect::<Vec<_>>()];
    for (index, (name, keys)) in RECIPES.into_iter().enumerate() {
        let laboratory = one_seed(keys);
        let undisturbed = promised(&laboratory.finish());
        let weights: Vec<Vec<u8>> = weights_of(&undisturbed).into_iter().cloned().collect();
        assert!(!weights.is_empty() && !seen.contains(&weights), "{name} has the bits of another recipe");
        seen.push(weights);
        // In the first epoch, at its end, or in the second.
        let (root, _) = interrupted_at(&laboratory, steps, [3, 6, 9][index % 3]);
        assert!(promised(&root) == undisturbed, "{name}");
    }
}

/// It is measured when a seed begins, and stays as it is.
#[test]
fn a_whitening_stem_is_frozen_and_an_interruption_changes_nothing() {
    let plain = Laboratory::new("");
    let text = config("").replace("width = 2", "width = 2, whitening = true").replace("seeds = [0, 1]", "seeds = [0]");
    let laboratory = plain.other(text);
    let root = laboratory.finish();
    let expected = promised(&root);
    let filters = |name: &str| -> Vec<f32> {
        let (tensors, _) = weights::read(&expected[name]).unwrap();
        let (_, weight) = tensors.iter().find(|(name, _)| name == "backbone.whiten.weight").unwrap();
        Vec::try_from(weight.flatten(0, -1)).unwrap()
    };
    let model = "checkpoints/seed-0/last-000002-000000/model.safetensors";
    let average = "checkpoints/seed-0/last-000002-000000/average.safetensors";
    let (filters, averaged) = (filters(model), filters(average));
    assert_eq!(filters.len(), 24 * 12);
    assert!(filters.iter().zip(&averaged).all(|(value, averaged)| (value - averaged).abs() <= 1e-6 * value.abs()));
    // The second half are the opposites of the first.
    assert!(filters[..144].iter().zip(&filters[144..]).all(|(value, opposite)| *value == -opposite));
    for left in [3, 9] {
        let (root, _) = interrupted_at(&laboratory, steps, left);
        assert!(promised(&root) == expected, "interrupted at step {left}");
    }
}

#[test]
fn dynamic_weights_begin_after_two_epochs_and_go_on_when_interrupted() {
    let plain = Laboratory::new("");
    let text = |keys: &str| config(keys).replace("epochs = 2", "epochs = 4").replace("seeds = [0, 1]", "seeds = [0]");
    let longer = |keys: &str| plain.other(text(keys));
    let dynamic = longer("[task_weights]\nname = 'dwa'\ntemperature = 0.1");
    let expected = promised(&dynamic.finish());
    let (root, _) = interrupted_at(&dynamic, steps, 15);
    assert!(promised(&root) == expected);
    let rows = |files: &BTreeMap<String, Vec<u8>>, epochs: [&str; 2]| -> Vec<String> {
        let text = String::from_utf8(files["metrics.csv"].clone()).unwrap();
        let of = |line: &&str| epochs.contains(&line.split(',').nth(1).unwrap());
        text.lines().filter(of).map(str::to_owned).collect()
    };
    let equal = promised(&longer("").finish());
    assert!(!rows(&expected, ["1", "2"]).is_empty());
    assert_eq!(rows(&expected, ["1", "2"]), rows(&equal, ["1", "2"]));
    assert_ne!(rows(&expected, ["3", "4"]), rows(&equal, ["3", "4"]));
}

#[test]
fn replicas_take_part_in_what_has_two_passes() {
    for keys in ["[optimizer.sam]\nrho = 0.5", "[average]\nname = 'swa'\nstart = 0.0\nmeasure_on = 2"] {
        let text = config(keys).replace("threads = 1", "threads = 2\nreplicas = 2");
        let plain = Laboratory::new("");
        let laboratory = plain.other(text.replace("seeds = [0, 1]", "seeds = [0]"));
        let metrics = std::fs::read_to_string(laboratory.finish().join("metrics.csv")).unwrap();
        assert!(!metrics.contains("NaN") && metrics.lines().count() > 6, "{metrics}");
    }
}

/// Where nothing is learnt, the statistics of a mean of networks are those of the network, which follow its batches.
#[test]
fn measured_statistics_are_those_of_the_batches() {
    let plain = Laboratory::new("");
    let variances = |average: &str| -> Vec<f64> {
        let keys =
            format!("[optimizer]\nlearning_rate = 1e-12\nweight_decay = 0.0\n[augment]\npolicy = 'none'\n{average}");
        let text = config(&keys).replace("epochs = 2", "epochs = 8").replace("seeds = [0, 1]", "seeds = [0]");
        let laboratory = plain.other(text);
        let root = laboratory.finish();
        let last = "checkpoints/seed-0/last-000008-000000/";
        let file = if average.contains("swa") { "average.safetensors" } else { "model.safetensors" };
        let (tensors, _) = weights::read(&std::fs::read(root.join(last).join(file)).unwrap()).unwrap();
        let variances = tensors.iter().filter(|(name, _)| name.ends_with("running_var"));
        variances.flat_map(|(_, tensor)| Vec::<f64>::try_from(tensor.to_kind(tch::Kind::Double)).unwrap()).collect()
    };
    let measured = variances("[average]\nname = 'swa'\nstart = 0.0\nmeasure_on = 6");
    let followed = variances("[average]\nname = 'none'");
    assert_eq!(measured.len(), followed.len());
    let ratios: Vec<f64> = measured.iter().zip(&followed).map(|(measured, followed)| measured / followed).collect();
    assert!(ratios.iter().all(|ratio| (0.8..1.25).contains(ratio)), "{ratios:?}");
    let average = variances("[average]\nname = 'swa'\nstart = 0.0\nmeasure_on = 0");
    assert_ne!(average, measured, "they were not measured");
}
