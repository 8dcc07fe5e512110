//! Pages and exports of a study that was worked off.

#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(clippy::disallowed_methods, reason = "fixtures of tests need not survive a crash")]

use medley_search::{Evaluation, Objective, Study, Trial, Verdict, WorkOptions, work};
use medley_storage::RealFs;
use medley_studies::confirmation::Candidate;
use medley_studies::{Confirmation, Overview, importance::importances, optuna, page};

const TEXT: &str = "seed = 1\n[budget]\ntrials = 12\n[sampler]\nname = 'random'\n[pruner]\nname = 'median'\nstartup = 4\n[space]\n\
                    'optimizer.learning_rate' = { log = [1e-4, 1e-1] }\n'net.<b>' = { uniform = [0.0, 0.5], step = 0.1 }\n\
                    'loss.name' = { choice = ['cross_entropy', 'focal'] }\nbatch = { int = [8, 64], log = true }\n\
                    'loss.gamma' = { uniform = [0.5, 4.0], when = { 'loss.name' = 'focal' } }\n";

/// A made-up training, which fails once.
struct Curve;

impl Objective for Curve {
    fn evaluate(&mut self, trial: &Trial, report: &mut dyn FnMut(u64, f64) -> Verdict) -> Result<Evaluation, String> {
        if trial.number == 3 {
            return Err("it <diverged>".to_owned());
        }
        let rate = trial.settings["optimizer.learning_rate"].as_float().unwrap();
        let value = |epoch: u64| 1.0 - (rate.log10() + 2.5).powi(2) / 4.0 - 0.1 / epoch as f64;
        for epoch in 1..=3 {
            if report(epoch, value(epoch)) != Verdict::Continue {
                return Ok(Evaluation::Stopped);
            }
        }
        Ok(Evaluation::Finished(value(4)))
    }
}

fn worked_off(folder: &std::path::Path) -> Study {
    let study = Study::create(folder, "rates", "rates.toml".as_ref(), TEXT).unwrap();
    work(&study, &mut Curve, WorkOptions::default()).unwrap();
    study
}

#[test]
fn the_page_has_its_sections_and_no_markup_of_others() {
    let folder = tempfile::tempdir().unwrap();
    let study = worked_off(folder.path());
    let overview = Overview::read(&study).unwrap();
    let html = page::html(&overview).unwrap();
    for part in ["id=\"history\"", "id=\"importance\"", "id=\"slices\"", "id=\"parallel\"", "id=\"trials\"", "rates"] {
        assert!(html.contains(part), "{part}");
    }
    assert!(
        !html.contains("<b>") && !html.contains("<diverged>") && !html.contains("<script") && !html.contains("http://")
    );
    assert!(html.contains("medley study confirm"), "what is not known is said");
    let of_winner = |scores: &[f64]| Candidate { trial: Some(1), value: Some(0.9), scores: scores.to_vec() };
    let base = Candidate { trial: None, value: None, scores: vec![0.5, 0.6, 0.55] };
    Confirmation::new(12, "fold", vec![of_winner(&[0.8, 0.9, 0.85]), base]).write(study.folder(), &RealFs).unwrap();
    let path = page::write(&study).unwrap();
    let confirmed = std::fs::read_to_string(&path).unwrap();
    assert!(confirmed.contains("The search has found more than chance"), "the finding");
    assert!(confirmed.contains("On fresh folds"), "it was confirmed on other units than trials are the mean of");
    page::write(&study).unwrap();
    assert_eq!(std::fs::read_to_string(path).unwrap(), confirmed, "the same folder, the same page");
}

#[test]
fn the_rate_is_what_mattered() {
    let folder = tempfile::tempdir().unwrap();
    let found = importances(&Overview::read(&worked_off(folder.path())).unwrap()).unwrap();
    assert_eq!(found.keys[0].key, "optimizer.learning_rate", "{found:?}");
}

/// `scripts/compare/optuna_journal` reads such a journal with Optuna.
#[test]
fn the_journal_has_a_line_for_each_trial() {
    let folder = tempfile::tempdir().unwrap();
    let journal = optuna::journal(&Overview::read(&worked_off(folder.path())).unwrap());
    let lines: Vec<serde_json::Value> = journal.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), lines[0]["directions"][0].as_i64()), (14, Some(2)));
    assert_eq!(lines[5]["state"], 3, "the failed one");
    for line in &lines[2..] {
        let parameters = line["params"].as_object().unwrap();
        assert_eq!(line["distributions"].as_object().unwrap().len(), parameters.len());
        let focal = line["params"]["loss.name"] == 1;
        assert_eq!(parameters.contains_key("loss.gamma"), focal, "{line}");
        assert_eq!(line.get("value").is_some(), line["state"] == 1, "{line}");
    }
    assert!(!journal.contains("NaN"));
}
