use medley_core::RunLayout;
use medley_predictions::record::{read_manifest, read_results};
use medley_search::{Reason, TrialState};

use crate::lab::{BASE, Lab, assert_same};

#[test]
fn a_trial_is_a_run_whose_test_split_is_shut() {
    let lab = Lab::new();
    let study = lab.begin("plain", "[budget]\ntrials = 3").unwrap();
    // Data are opened once, and are not needed to look at the study.
    assert_eq!(lab.work(&study).unwrap().reason, Reason::Done);
    let trials = study.trials().unwrap();
    assert_eq!(trials.len(), 3);
    for trial in &trials {
        assert_eq!((trial.state, trial.rungs.len()), (TrialState::Finished, 3), "each epoch but the last is reported");
        let name = format!("trial-{}", trial.number);
        let layout = RunLayout::new(study.trial_folder(trial.number).join(&name));
        let manifest = read_manifest(&layout).unwrap();
        assert!(manifest.no_test && manifest.test_openings.is_empty() && manifest.run == name);
        assert_eq!((manifest.environment.threads, manifest.seeds.len()), (1, 1));
        let results = read_results(&layout, &manifest).unwrap().unwrap();
        assert!(!results.is_tested());
        let best = trial.value.unwrap();
        assert_eq!(best, results.seeds[0].validation.harmonic_mean, "the score that chose the epoch");
        assert!(trial.rungs.iter().all(|(_, value)| *value <= best));
    }
    let seeds: std::collections::BTreeSet<u64> = trials.iter().map(|trial| study.trial_seed(trial.number)).collect();
    assert_eq!(seeds.len(), 3);
    // Given again, it is the same study, and there is nothing to do; with another text it is refused.
    let again = lab.begin("plain", "[budget]\ntrials = 3").unwrap();
    assert_eq!(lab.work(&again).unwrap().evaluations, 0);
    let other = lab.begin("plain", "[budget]\ntrials = 4").unwrap_err().to_string();
    assert!(other.contains("is another study, begun from another text"), "{other}");
}

#[test]
fn a_paused_trial_is_promoted_from_its_checkpoint() {
    let lab = Lab::new();
    let pruned = "[budget]\ntrials = 6\n[sampler]\nname = 'sobol'\n[pruner]\nname = 'asha'\nlast = 4\nfactor = 2\n";
    let study = lab.begin("asha", pruned).unwrap();
    lab.work(&study).unwrap();
    let trials = study.trials().unwrap();
    let paused: Vec<_> = trials.iter().filter(|trial| trial.state == TrialState::Paused).collect();
    let finished = trials.iter().filter(|trial| trial.state == TrialState::Finished).count();
    assert!(!paused.is_empty() && finished >= 1, "{trials:?}");
    for trial in paused {
        let run = study.trial_folder(trial.number).join(format!("trial-{}", trial.number));
        let epochs = trial.rungs.last().unwrap().0;
        let last = std::fs::read_dir(run.join("checkpoints")).unwrap().next().unwrap().unwrap().path();
        assert!(last.join(format!("last-{epochs:06}-000000")).exists(), "epoch {epochs} is kept in {}", last.display());
        assert!(!run.join("results.json").exists());
    }
    // Whoever was promoted has what it would have had without a pause.
    let whole = lab.begin("whole", "[budget]\ntrials = 6\n[sampler]\nname = 'sobol'").unwrap();
    lab.work(&whole).unwrap();
    for (trial, whole) in trials.iter().zip(whole.trials().unwrap()) {
        assert!(whole.rungs.starts_with(&trial.rungs), "{trial:?} {whole:?}");
        assert!(trial.value.is_none_or(|value| Some(value) == whole.value));
    }
}

#[test]
fn seeds_and_folds_of_a_trial_are_averaged_at_each_rung() {
    let lab = Lab::new();
    for (objective, name) in [("folds = 2", "fold"), ("seeds = 2", "part")] {
        let rest = format!(
            "[budget]\ntrials = 3\n[sampler]\nname = 'random'\n[pruner]\nname = 'halving'\nfirst = 2\nlast = 4\ncohort = 3\n\
             [objective]\nbase = 'base.toml'\n{objective}\n"
        );
        let study = lab.begin(name, &rest).unwrap();
        lab.work(&study).unwrap();
        let trials = study.trials().unwrap();
        assert!(trials.iter().all(|trial| trial.rungs.len() == 1 && trial.rungs[0].0 == 2), "{trials:?}");
        let best = trials.iter().find(|trial| trial.state == TrialState::Finished).unwrap();
        let run = |index: u64| {
            let layout =
                RunLayout::new(study.trial_folder(best.number).join(format!("trial-{}-{name}{index}", best.number)));
            let manifest = read_manifest(&layout).unwrap();
            let results = read_results(&layout, &manifest).unwrap().unwrap();
            assert_eq!(manifest.folds.as_ref().map(|folds| folds.index), (name == "fold").then_some(index as usize));
            (manifest.seeds[0], results.seeds[0].validation.harmonic_mean)
        };
        let (first, second) = (run(0), run(1));
        assert_eq!(first.0 == second.0, name == "fold", "folds share their seed, and seeds differ");
        assert!((best.value.unwrap() - f64::midpoint(first.1, second.1)).abs() < 1e-12);
    }
}

#[test]
fn a_trial_that_diverges_fails_alone() {
    let lab = Lab::new();
    let text = "[budget]\ntrials = 2\n[sampler]\nname = 'grid'\n[objective]\nbase = 'base.toml'\n\
                [[variants]]\nname = 'a'\nset = { 'net.backbone' = { name = 'resnet9', width = 2 }, 'optimizer.name' = 'sgd', 'optimizer.learning_rate' = 1e3, \
                'optimizer.gradient_clip' = 0.0, 'train.max_bad_steps' = 1 }\n\
                [[variants]]\nname = 'b'\nset = {}\n";
    let study = lab.begin_text("diverges", text).unwrap();
    lab.work(&study).unwrap();
    let trials = study.trials().unwrap();
    assert_eq!((trials[0].state, trials[1].state), (TrialState::Failed, TrialState::Finished), "{trials:?}");
    assert!(trials[0].message.as_ref().unwrap().contains("training diverged"), "{:?}", trials[0].message);
    assert_eq!(study.status().unwrap().best.unwrap().number, 1);
}

#[test]
fn what_no_trial_could_do_better_ends_the_worker_and_loses_nothing() {
    let lab = Lab::new();
    let study = lab.begin("gone", "[budget]\ntrials = 2").unwrap();
    let data = lab.path().join("breastmnist.npz");
    let elsewhere = lab.path().join("elsewhere.npz");
    std::fs::rename(&data, &elsewhere).unwrap();
    let error = lab.work(&study).unwrap_err().to_string();
    assert!(error.contains("breastmnist.npz"), "{error}");
    assert_eq!(study.trials().unwrap()[0].state, TrialState::Waiting);
    std::fs::rename(&elsewhere, &data).unwrap();
    lab.work(&study).unwrap();
    assert!(study.trials().unwrap().iter().all(|trial| trial.state == TrialState::Finished));
}

#[test]
fn a_base_that_was_edited_is_refused() {
    let lab = Lab::new();
    let study = lab.begin("edited", "[budget]\ntrials = 2").unwrap();
    let base = study.folder().join("base.toml");
    let text = std::fs::read_to_string(&base).unwrap();
    for part in ["threads = 1", "replicas = 1", "convolutions = \"libtorch\"", "epochs = 4"] {
        assert!(text.contains(part), "{text}");
    }
    std::fs::write(&base, text.replace("epochs = 4", "epochs = 5")).unwrap();
    let error = lab.work(&study).unwrap_err().to_string();
    assert!(error.contains("base.toml` was changed after the study was begun"), "{error}");
    assert_eq!(study.trials().unwrap(), []);
    // The config that it was made of may change: the study has its own.
    std::fs::write(&base, text).unwrap();
    std::fs::write(lab.path().join("base.toml"), BASE.replace("epochs = 4", "epochs = 1")).unwrap();
    lab.work(&study).unwrap();
    assert_eq!(study.trials().unwrap()[1].rungs.len(), 3);
}

#[test]
fn a_wrong_key_leaves_nothing_behind() {
    let lab = Lab::new();
    let wrong = crate::lab::text("[budget]\ntrials = 2").replace("learning_rate", "learning_rat");
    let error = lab.begin_text("wrong", &wrong).unwrap_err().to_string();
    assert!(error.contains("did you mean `optimizer.learning_rate`?") && error.contains("wrong.toml:7:1"), "{error}");
    assert!(error.contains("^^^^"), "{error}");
    assert!(!lab.path().join("studies").exists());
    let missing = lab.begin("missing", "[budget]\ntrials = 2\n[objective]\nbase = 'no.toml'").unwrap_err().to_string();
    assert!(missing.contains("no.toml"), "{missing}");
}

#[cfg(unix)]
#[test]
fn a_study_that_cannot_be_written_can_be_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let lab = Lab::new();
    let study = lab.begin("readonly", "[budget]\ntrials = 1").unwrap();
    lab.work(&study).unwrap();
    let set = |mode| std::fs::set_permissions(study.folder(), std::fs::Permissions::from_mode(mode)).unwrap();
    set(0o555);
    std::fs::set_permissions(study.folder().join("workers"), std::fs::Permissions::from_mode(0o555)).unwrap();
    let (status, refused) = (study.status().unwrap(), lab.work(&study));
    std::fs::set_permissions(study.folder().join("workers"), std::fs::Permissions::from_mode(0o755)).unwrap();
    set(0o755);
    assert!(status.best.is_some());
    // Root may write everywhere.
    if let Err(error) = refused {
        assert!(error.to_string().contains("workers"), "{error}");
    }
}

#[test]
fn the_same_study_twice_has_the_same_bits() {
    let lab = Lab::new();
    let rest = "[budget]\ntrials = 3\n[sampler]\nname = 'tpe'\nstartup = 2";
    let (one, other) = (lab.begin("one", rest).unwrap(), lab.begin("other", rest).unwrap());
    lab.work(&one).unwrap();
    lab.work(&other).unwrap();
    assert_same(&one, &other);
}
