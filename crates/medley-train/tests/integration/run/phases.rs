//! Phases after the joint training.

use medley_core::record::RunResults;

use super::callbacks::interrupted_at;
use super::*;

/// Six joint epochs would be twelve steps; a task alone has three of 16 images.
const PHASES: &str = "[[phases]]\nepochs = 1\ntasks = 'together'\nlearning_rate = 0.003\nfrozen = ['backbone.*conv*']\n\
                      [[phases]]\nepochs = 2\ntrain = 'heads_and_norms'\nlearning_rate = 0.01";

fn one_seed(keys: &str) -> String {
    config(keys).replace("seeds = [0, 1]", "seeds = [0]")
}

fn results(root: &Path) -> RunResults {
    serde_json::from_slice(&std::fs::read(root.join("results.json")).unwrap()).unwrap()
}

fn tensors(root: &Path, folder: &str) -> BTreeMap<String, Vec<u8>> {
    let folder = root.join("checkpoints/seed-0").join(folder);
    let best = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let best = best.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("best-")).max().unwrap();
    let (tensors, _) = weights::read(&std::fs::read(best.join("model.safetensors")).unwrap()).unwrap();
    let bytes = |tensor: &Tensor| -> Vec<u8> {
        Vec::<f32>::try_from(tensor.flatten(0, -1)).unwrap().into_iter().flat_map(f32::to_le_bytes).collect()
    };
    tensors.iter().map(|(name, tensor)| (name.clone(), bytes(tensor))).collect()
}

#[test]
fn phases_change_what_they_train_and_an_interruption_changes_nothing() {
    let plain = Laboratory::new("");
    let laboratory = plain.other(one_seed(PHASES));
    let root = laboratory.finish();
    let expected = promised(&root);
    // The joint training is that of a run without phases.
    let alone = promised(&plain.other(one_seed("")).finish());
    let joint = |files: &Files| files["checkpoints/seed-0/last-000002-000000/model.safetensors"].clone();
    assert!(joint(&expected) == joint(&alone));
    let differing = |before: &str, after: &str| -> Vec<String> {
        let (before, after) = (tensors(&root, before), tensors(&root, after));
        before.into_iter().filter(|(name, bytes)| after[name] != *bytes).map(|(name, _)| name).collect()
    };
    let together = differing("", "phase-1");
    assert!(together.iter().any(|name| name.starts_with("heads.")), "{together:?}");
    let convolution = |name: &String| name.ends_with("conv.weight");
    assert!(!together.iter().any(convolution) && together.len() > 4, "{together:?}");
    let blood = differing("phase-1", "phase-2-bloodmnist");
    assert!(blood.iter().any(|name| name.starts_with("heads.bloodmnist")), "{blood:?}");
    assert!(!blood.iter().any(convolution), "{blood:?}");
    assert!(!blood.is_empty() && blood.iter().any(|name| name.ends_with("running_mean")), "{blood:?}");
    // Epochs are counted on: 2 joint ones, 1 of both, 2 of each.
    let text = String::from_utf8(expected["metrics.csv"].clone()).unwrap();
    let of = |task: &str| -> Vec<usize> {
        let rows = text.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
        rows.filter(|row| row[2] == task).map(|row| row[1].parse().unwrap()).collect()
    };
    assert_eq!((of("breastmnist"), of("bloodmnist")), (vec![1, 2, 3, 4, 5], vec![1, 2, 3, 6, 7]));
    // In the phase together, in that of the first task and of the second.
    for left in [15, 20, 26] {
        let (again, _) = interrupted_at(&laboratory, steps, left);
        assert!(promised(&again) == expected, "interrupted at step {left}");
        assert_eq!(results(&again).seeds[0].fine_tuned, results(&root).seeds[0].fine_tuned);
    }
    // While the network of a task predicts its validation split at the end.
    let predicting = |event: &Event| matches!(event, Event::ValidationProgress { .. });
    let (again, _) = interrupted_at(&laboratory, predicting, 13);
    assert!(promised(&again) == expected, "interrupted at prediction 13");
}

/// A task whose later networks are worse keeps the joint one, whatever others do.
#[test]
fn each_task_ends_with_its_best_network() {
    let plain = Laboratory::new("");
    let hot = plain.other(one_seed("[[phases]]\nepochs = 1\nlearning_rate = 1e-12"));
    let joint = results(&plain.other(one_seed("")).finish());
    let root = hot.finish();
    let with = results(&root);
    for (with, without) in with.seeds[0].validation.tasks.iter().zip(&joint.seeds[0].validation.tasks) {
        assert!(with.macro_f1 >= without.macro_f1, "{}: {} {}", with.task, with.macro_f1, without.macro_f1);
    }
    let fine_tuned = &with.seeds[0].fine_tuned;
    let layout = RunLayout::new(&root);
    let manifest = read_manifest(&layout).unwrap();
    for exported in export(&layout, &manifest, &hot.experiment, 0, &[]).unwrap() {
        let (tensors, metadata) = weights::read(&exported.bytes).unwrap();
        assert!(!tensors.is_empty());
        assert_eq!(metadata.get("phase"), fine_tuned.get(&exported.task).map(|one| &one.stage), "{}", exported.task);
    }
    // What is scored later is what was chosen before.
    let untested = plain.other(one_seed(PHASES));
    let request = RunRequest { no_test: true, ..untested.request() };
    let run = untested.session().start(&request).unwrap();
    let root = run.layout().root().to_owned();
    run.train(Observers::default(), &StopFlag::default()).unwrap();
    let run = untested.resume(&root).unwrap();
    run.test(Observers::default(), &StopFlag::default()).unwrap();
    let at_once = untested.finish();
    let predictions = |root: &Path| -> Files {
        promised(root).into_iter().filter(|(name, _)| name.starts_with("predictions")).collect()
    };
    assert!(predictions(&root) == predictions(&at_once));
    assert_eq!(results(&root).seeds[0].fine_tuned, results(&at_once).seeds[0].fine_tuned);
}

#[test]
fn a_run_whose_tasks_have_networks_of_their_own_can_teach() {
    let plain = Laboratory::new("");
    let teacher = plain.other(one_seed(PHASES)).finish();
    let text = one_seed(&format!("[distill]\nteachers = [{:?}]", teacher.display().to_string()));
    let student = plain.other(text).finish();
    let manifest = read_manifest(&RunLayout::new(&student)).unwrap();
    let fine_tuned = &results(&teacher).seeds[0].fine_tuned;
    let tasks: usize = manifest.teachers.iter().map(|one| one.weights.len()).sum();
    assert_eq!(tasks, 2);
    for one in &manifest.teachers {
        for task in one.weights.keys() {
            assert_eq!(one.phase.as_ref(), fine_tuned.get(task).map(|one| &one.stage));
        }
    }
}

#[test]
fn patterns_that_match_nothing_are_refused_at_their_place() {
    let plain = Laboratory::new("");
    for (keys, place) in [
        ("frozen = ['backbone.nothing*']", "`phases[0].frozen[0]`"),
        ("frozen = ['*']", "`phases[0].frozen`"),
        ("train = 'heads'\nfrozen = ['heads.*']", "`phases[0].frozen`"),
    ] {
        let refused = plain.other(one_seed(&format!("[[phases]]\nepochs = 1\n{keys}")));
        let error = refused.start().err().unwrap().to_string();
        assert!(error.contains(place), "{error}");
    }
    assert!(!plain.runs().exists());
}

/// Means over views have no loss: that of the images as they are says which network is the best.
#[test]
fn phases_are_chosen_by_their_loss_though_there_are_views() {
    let phases = "[[phases]]\nepochs = 3\nlearning_rate = 0.003\n[select]\nname = 'loss'\n";
    let plain = Laboratory::new("");
    let chosen = |views: &str| {
        let keys = format!("{phases}[augment]\ntest_time_views = '{views}'");
        results(&plain.other(one_seed(&keys)).finish()).seeds[0].fine_tuned.clone()
    };
    let without = chosen("none");
    assert!(!without.is_empty(), "no phase is better");
    assert_eq!(chosen("builtin"), without);
}
