use askama::Template;
use medley_core::record::Inheritance;

use super::Section;
use crate::format;
use crate::{Fragment, RunRecord};

/// What the bits of the run depend on, and how to get them again.
pub(super) struct Reproduce;

#[derive(Template)]
#[template(path = "reproduce.html")]
struct ReproduceTemplate {
    facts: Vec<(&'static str, String)>,
    hashes: Vec<(&'static str, String)>,
    dirty: bool,
    command: String,
    config: Option<String>,
}

impl Section for Reproduce {
    fn id(&self) -> &'static str {
        "reproduce"
    }

    fn title(&self) -> &'static str {
        "Reproduction"
    }

    fn render(&self, run: &RunRecord) -> Result<Option<Fragment>, askama::Error> {
        let revision = run.manifest.git_revision.as_deref();
        let template = ReproduceTemplate {
            facts: facts(run),
            hashes: hashes(run),
            dirty: revision.is_some_and(|revision| revision.ends_with("-dirty")),
            command: command(run),
            config: run.config_text.clone(),
        };
        Fragment::render(&template).map(Some)
    }
}

/// What makes the run again: of the run that it began from, if there is one.
fn command(run: &RunRecord) -> String {
    let again = "medley train config.toml --data DIR";
    match run.manifest.parent.as_ref().map(|parent| (parent.how, &parent.run)) {
        None => again.to_owned(),
        Some((Inheritance::Weights, parent)) => format!("{again} --from {parent}"),
        Some((Inheritance::WeightsAndOptimizer, parent)) => format!("{again} --from {parent} --with-optimizer"),
        Some((Inheritance::Everything, parent)) => {
            let epochs = run.setting("train.epochs").unwrap_or_else(|| "N".to_owned());
            format!("medley resume {parent} --epochs {epochs} --data DIR")
        }
    }
}

fn hashes(run: &RunRecord) -> Vec<(&'static str, String)> {
    let manifest = &run.manifest;
    let mut hashes = vec![
        ("Git revision", manifest.git_revision.clone().unwrap_or_else(|| "not in a repository".to_owned())),
        ("Config SHA-256", manifest.config_sha256.clone()),
    ];
    if let Some(parent) = &manifest.parent {
        hashes.push(("Began from the run", parent.run.clone()));
        for (seed, from) in &parent.seeds {
            hashes.push(("a network's SHA-256", format!("{} (seed {seed}, epoch {})", from.sha256, from.epoch)));
        }
    }
    if let Some(weights) = &manifest.pretrained {
        hashes.push(("Started from", weights.file.clone()));
        hashes.push(("its SHA-256", weights.sha256.clone()));
    }
    hashes
}

/// How often test labels were opened, for whose predictions and when. A run that left them shut says so; of an older run, which kept no
/// record, nobody can tell.
fn openings(run: &RunRecord) -> String {
    let all = &run.manifest.test_openings;
    let (Some(first), Some(last)) = (all.first(), all.last()) else {
        let text = match &run.results {
            _ if run.manifest.no_test => "never: the run leaves the test split alone (--no-test)",
            Some(_) => "not recorded: this run is older than the record of openings",
            None => "none is recorded so far",
        };
        return text.to_owned();
    };
    let predictors: Vec<&str> = all.iter().map(|opening| opening.predictor.as_str()).collect();
    let when = if first.when == last.when {
        format::date(&first.when)
    } else {
        format!("{} to {}", format::date(&first.when), format::date(&last.when))
    };
    format!("{}, for predictions of {}; {when}", format::plural(all.len(), "time"), format::list(&predictors))
}

fn facts(run: &RunRecord) -> Vec<(&'static str, String)> {
    let environment = &run.manifest.environment;
    let seeds: Vec<String> = run.manifest.seeds.iter().map(u64::to_string).collect();
    let mut facts = vec![
        ("Medley", environment.medley.clone()),
        ("libtorch", environment.libtorch.clone()),
        ("Device", environment.device.clone()),
        ("Platform", environment.platform.clone()),
        ("CPU capability", environment.cpu_capability.clone()),
    ];
    facts.extend(environment.kernel_instructions.clone().map(|instructions| ("Medley's kernels", instructions)));
    facts.extend(environment.mkl_cbwr.clone().map(|mode| ("MKL_CBWR", mode)));
    facts.extend([
        ("Threads", environment.threads.to_string()),
        ("Precision", environment.precision.to_string()),
        ("Memory layout", environment.memory_layout.to_string()),
        ("Convolutions", environment.convolutions.to_string()),
        ("Seeds", format::list(&seeds)),
    ]);
    if let Some(folds) = &run.manifest.folds {
        let text = format!("fold {} of {} of the training and validation rows", folds.index + 1, folds.count);
        facts.push(("Validated on", text));
    }
    facts.push(("Test labels opened", openings(run)));
    if environment.replicas > 1 {
        facts.push(("Replicas", format!("{}, one thread each", environment.replicas)));
    }
    if let Some(parameters) = run.history.seeds.iter().find_map(|seed| seed.parameters) {
        facts.push(("Trainable parameters", format::count(parameters as u64)));
    }
    if run.history.processes > 0 {
        let time = format::duration(run.history.seconds);
        let processes = run.history.processes;
        facts.push((
            "Wall time",
            if processes > 1 { format!("{time} in {}", format::plural(processes, "process")) } else { time },
        ));
    }
    if let Some(speed) = speed(run) {
        facts.push(("Training speed", format!("{} images/s (median epoch)", format::count(speed.round() as u64))));
    }
    facts
}

fn speed(run: &RunRecord) -> Option<f64> {
    let mut speeds: Vec<f64> =
        run.history.seeds.iter().flat_map(|seed| &seed.epochs).filter_map(|epoch| epoch.images_per_second).collect();
    speeds.sort_by(f64::total_cmp);
    speeds.get(speeds.len() / 2).copied().filter(|speed| *speed > 0.0)
}
