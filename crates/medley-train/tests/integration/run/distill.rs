//! Runs that learn from others.

use serde_json::Value;

use super::callbacks::interrupted_at;
use super::*;

fn one_seed(keys: &str) -> String {
    config(keys).replace("seeds = [0, 1]", "seeds = [0]")
}

fn taught(laboratory: &Laboratory, teachers: &[&Path], keys: &str) -> Laboratory {
    let teachers: Vec<String> = teachers.iter().map(|path| format!("{:?}", path.display().to_string())).collect();
    laboratory.other(one_seed(&format!("[distill]\nteachers = [{}]\n{keys}", teachers.join(", "))))
}

fn weights_of(files: &Files) -> Vec<&Vec<u8>> {
    files
        .iter()
        .filter(|(name, _)| name.contains("/best-") && name.ends_with("model.safetensors"))
        .map(|(_, b)| b)
        .collect()
}

#[test]
fn what_is_taught_changes_the_bits_and_an_interruption_does_not() {
    let plain = Laboratory::new("");
    // A teacher of both tasks with two seeds, and another network that knows one of them.
    let both = plain.finish();
    let text = one_seed("").replace("tasks = ['breastmnist', 'bloodmnist']", "tasks = ['bloodmnist']");
    let blood = plain.other(text.replace("width = 2", "width = 4")).finish();
    let untaught = promised(&plain.other(one_seed("")).finish());
    let laboratory = taught(&plain, &[&both, &blood], "temperature = 1.5");
    let root = laboratory.finish();
    let expected = promised(&root);
    assert_ne!(weights_of(&expected), weights_of(&untaught));
    let manifest = read_manifest(&RunLayout::new(&root)).unwrap();
    let said: Vec<_> =
        manifest.teachers.iter().map(|one| (one.seed, one.weights["bloodmnist"], one.weights.len())).collect();
    assert_eq!(said, [(0, 0.5, 2), (1, 0.5, 2), (0, 1.0, 1)]);
    // In the first epoch or in the second.
    for step in [3, 9] {
        let (root, _) = interrupted_at(&laboratory, steps, step);
        assert!(promised(&root) == expected, "interrupted at step {step}");
    }
    // With a weight of nothing, a teacher teaches nothing.
    let idle = promised(&taught(&plain, &[&both], "weight = 0.0").finish());
    assert_eq!(weights_of(&idle), weights_of(&untaught));
}

/// Claims a validation macro-F1 for all tasks and seeds of a run.
fn claim(run: &Path, score: f64) {
    let path = RunLayout::new(run).results();
    let mut results: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    for seed in results["seeds"].as_array_mut().unwrap() {
        for task in seed["validation"]["tasks"].as_array_mut().unwrap() {
            task["macro_f1"] = score.into();
        }
    }
    std::fs::write(path, serde_json::to_vec(&results).unwrap()).unwrap();
}

#[test]
fn a_gate_ends_what_is_taught_where_the_student_is_better() {
    let plain = Laboratory::new("");
    let both = plain.finish();
    let ungated = promised(&taught(&plain, &[&both], "").finish());
    let gated = || taught(&plain, &[&both], "gate = true");
    claim(&both, 1.0);
    let open = gated().finish();
    assert_eq!(weights_of(&promised(&open)), weights_of(&ungated), "nobody is better than perfect");
    let manifest = read_manifest(&RunLayout::new(&open)).unwrap();
    assert_eq!(
        manifest.teachers[0].validation,
        BTreeMap::from(["bloodmnist", "breastmnist"].map(|task| (task.to_owned(), 1.0)))
    );
    claim(&both, 0.0);
    let shut = gated();
    let expected = promised(&shut.finish());
    assert_ne!(weights_of(&expected), weights_of(&ungated));
    for step in [3, 9] {
        let (root, _) = interrupted_at(&shut, steps, step);
        assert!(promised(&root) == expected, "interrupted at step {step}");
    }
}

#[test]
fn an_ensemble_teaches_as_its_members_do() {
    let plain = Laboratory::new("");
    let both = plain.finish();
    let name = both.file_name().unwrap().to_str().unwrap();
    let member = |seed: u64| format!("{{\"run\": {name:?}, \"seed\": {seed}, \"files\": {{}}}}");
    let task = |task: &str| {
        let members = [member(0), member(1)].join(", ");
        format!("{{\"task\": {task:?}, \"members\": [{members}], \"weighed\": {{\"weights\": [0.5, 0.5]}}}}")
    };
    let ensemble = both.with_file_name("ensemble-1");
    std::fs::create_dir(&ensemble).unwrap();
    let json = |tasks: &str| format!("{{\"schema_version\": 1, \"tasks\": [{tasks}]}}");
    let write = |text: String| std::fs::write(ensemble.join("ensemble.json"), text).unwrap();
    write(json(&[task("breastmnist"), task("bloodmnist")].join(", ")));
    let of_ensemble = promised(&taught(&plain, &[&ensemble], "").finish());
    assert!(of_ensemble == promised(&taught(&plain, &[&both], "").finish()));
    for (text, words) in [
        (json(&task("pathmnist")), "knows none of the tasks"),
        (json(&task("bloodmnist")).replace("[0.5, 0.5]", "[0.5]"), "no weight for each member"),
        (json(&task("bloodmnist")).replace(name, "../elsewhere"), "which is no run"),
        ("{}".to_owned(), "ensemble.json is bad"),
    ] {
        write(text);
        let error = taught(&plain, &[&ensemble], "").start().err().unwrap().to_string();
        assert!(error.contains(words), "{error}");
    }
}

/// Draws the sets of a laboratory once more, in images of 64 pixels.
fn draw_larger(laboratory: &Laboratory, seed: u64) {
    let size = 64;
    let options = SynthOptions { rows: Rows::AtMost(48), size, seed, overwrite: true };
    for task in TASKS {
        write_set(laboratory.folder.path(), task, &options, &RealFs).unwrap();
    }
}

#[test]
fn a_teacher_of_larger_images_teaches() {
    let plain = Laboratory::new("");
    let seed = SynthOptions::default().seed;
    draw_larger(&plain, seed);
    let large = plain.other(one_seed("[data]\nsize = 64")).finish();
    let mixing = "[augment.mix]\nmixup_alpha = 1.0";
    let untaught = promised(&plain.other(one_seed(mixing)).finish());
    let both = plain.other(one_seed("")).finish();
    let laboratory = taught(&plain, &[&large, &both], mixing);
    let root = laboratory.finish();
    let expected = promised(&root);
    let by_small_alone = promised(&taught(&plain, &[&both], mixing).finish());
    assert_ne!(weights_of(&expected), weights_of(&by_small_alone));
    let manifest = read_manifest(&RunLayout::new(&root)).unwrap();
    let sizes: Vec<_> = manifest.teachers.iter().map(|one| one.image_size).collect();
    assert_eq!(sizes, [Some(64), None]);
    for step in [3, 9] {
        let (root, _) = interrupted_at(&laboratory, steps, step);
        assert!(promised(&root) == expected, "interrupted at step {step}");
    }
    let idle = promised(&taught(&plain, &[&large], &format!("weight = 0.0\n{mixing}")).finish());
    assert_eq!(weights_of(&idle), weights_of(&untaught));

    // Folds part the rows of both files alike.
    let folds = "[folds]\ncount = 3\nindex = 1";
    let of_fold = plain.other(one_seed(&format!("[data]\nsize = 64\n{folds}"))).finish();
    taught(&plain, &[&of_fold], folds).finish();
    let problem = |keys: &str, teacher: &Path| taught(&plain, &[teacher], keys).start().err().unwrap().to_string();
    assert!(problem(folds, &large).contains("it left out the validation split of the file"));

    // Others in their place, by which a teacher was trained, too.
    draw_larger(&plain, seed + 1);
    assert!(problem("", &large).contains("by their SHA-256: rows do not pair"));
    let unpaired = plain.other(one_seed("[data]\nsize = 64")).finish();
    let said = problem("", &unpaired);
    assert!(
        said.contains("has seen images of 64 pixels, and that file of b") && said.contains("not of the same rows"),
        "{said}"
    );
    std::fs::remove_file(plain.folder.path().join("bloodmnist_64.npz")).unwrap();
    let said = problem("", &unpaired);
    assert!(said.contains("bloodmnist_64.npz"), "{said}");
}

#[test]
fn teachers_that_do_not_pair_are_refused_and_leave_nothing_behind() {
    let plain = Laboratory::new("");
    let both = plain.other(one_seed("")).finish();
    let refused = |laboratory: Laboratory| laboratory.start().err().unwrap().to_string();
    let runs = || std::fs::read_dir(plain.runs()).unwrap().count();
    let before = runs();
    let other = |from: &str, to: &str| taught(&plain, &[&both], "").text.replace(from, to);
    let fold = plain.other(format!("{}\n[folds]\ncount = 3", other("", "")));
    assert!(
        refused(fold).contains("it left out the validation split of the file, and this run leaves out fold 0 of 3")
    );
    let half = plain.other(format!("{}\n[data]\nnormalisation = 'half'", other("", "")));
    assert!(refused(half).contains("normalises the pixels of breastmnist otherwise"));
    let unknown = taught(&plain, &[Path::new("nowhere")], "");
    assert!(refused(unknown).contains("nowhere"));
    let text = one_seed("").replace("tasks = ['breastmnist', 'bloodmnist']", "tasks = ['bloodmnist']");
    let blood = plain.other(text).finish();
    let untaught = taught(&plain, &[&blood], "tasks = ['breastmnist']");
    assert!(refused(untaught).contains("it knows bloodmnist, and none of that is to be taught"));
    let half_taught = taught(&plain, &[&blood], "tasks = ['breastmnist', 'bloodmnist']");
    assert!(refused(half_taught).contains("no teacher knows breastmnist"));
    let interrupted = plain.other(one_seed("")).start().unwrap().layout().root().to_owned();
    assert!(refused(taught(&plain, &[&interrupted], "")).contains("it is not finished"));
    assert_eq!(runs(), before + 2);
    // Other data of the same name.
    let elsewhere = Laboratory::new("");
    let options = SynthOptions { rows: Rows::AtMost(48), seed: 9, overwrite: true, ..SynthOptions::default() };
    write_set(elsewhere.folder.path(), "bloodmnist", &options, &RealFs).unwrap();
    assert!(refused(taught(&elsewhere, &[&both], "")).contains("rows do not pair"));
    let alone = toml::from_str::<RawExperiment>(&one_seed("[distill]\nweight = 1.0")).unwrap();
    assert!(alone.check(Registry::builtin()).unwrap_err().to_string().contains("`distill.teachers`"));
}

#[test]
fn a_teacher_that_changed_is_not_learnt_from() {
    let plain = Laboratory::new("");
    let both = plain.other(one_seed("")).finish();
    let laboratory = taught(&plain, &[&both], "");
    let run = laboratory.start().unwrap();
    let root = run.layout().root().to_owned();
    drop(run);
    std::fs::rename(&both, both.with_file_name("away")).unwrap();
    let again = plain.other(one_seed("[optimizer]\nlearning_rate = 0.001")).finish();
    std::fs::rename(again, &both).unwrap();
    let error = laboratory.resume(&root).err().unwrap().to_string();
    assert!(error.contains("are not those that it began with"), "{error}");
    std::fs::remove_dir_all(&both).unwrap();
    assert!(laboratory.resume(&root).is_err());
    std::fs::rename(both.with_file_name("away"), &both).unwrap();
    laboratory.resume(&root).unwrap().train(Observers::default(), &StopFlag::default()).unwrap();
    // What is finished needs no teacher.
    std::fs::remove_dir_all(&both).unwrap();
    assert!(laboratory.resume(&root).is_ok());
}
