//! What follows when the networks are trained: ensemble, decision rules, package, report.

use std::path::{Path, PathBuf};

use medley_cli::combine::{Built, combine, decide_by, rules, weights};
use medley_cli::look::Looked;
use medley_core::text::plural;
use medley_package::NumberFormat;
use medley_predict::{Bundle, Ensemble, Member, RunSource, TaskChoice};
use medley_search::{Study, TrialRecord};
use medley_storage::{RealFs, write_whole};
use medley_studies::auto::{AutoRecord, MemberRecord};
use medley_studies::confirmation::Candidate;
use medley_studies::{Confirmation, Overview, page};
use medley_tune::auto::{Auto, AutoRuns};

use super::rehearsal;

/// Ensemble, package, records and report.
pub(super) fn finish(
    auto: &Auto,
    runs: &AutoRuns,
    looked: &Looked,
    data: &Path,
    out: &Path,
) -> anyhow::Result<AutoRecord> {
    let before = auto.clock().spent();
    rehearsal::remove(out);
    let folders: Vec<PathBuf> = runs.members.iter().map(|member| out.join(&member.folder)).collect();
    let built = combine(&folders, data, out, "ensemble")?;
    let name = out.file_name().map_or_else(|| "auto".to_owned(), |name| name.to_string_lossy().into_owned());
    write_package(&name, &built, &runs.members, &folders, data, &out.join("package"))?;
    let records = runs.study.trials()?;
    let trials = records.iter().filter(|trial| !trial.rungs.is_empty()).count();
    let confirmation = confirmation(&records, &runs.members, runs.folds.is_some(), trials);
    if let Some(confirmation) = &confirmation {
        confirmation.write(runs.study.folder(), &RealFs)?;
    }
    auto.add("ensemble, rules, package and report", before);
    let is_out = |member: &&MemberRecord| weights(&built, &member.name).values().all(|weight| *weight <= 0.0);
    let left_out = runs.members.iter().filter(is_out).map(|member| member.name.clone()).collect();
    let auto_record = AutoRecord {
        name,
        budget: auto.clock().budget(),
        spent: auto.clock().spent(),
        phases: auto.phases(),
        epochs: runs.epochs,
        folds: runs.folds,
        instead: runs.instead,
        trials,
        finding: finding(confirmation.as_ref(), runs, trials),
        audit: looked.findings.clone(),
        members: runs.members.clone(),
        ensemble: built.layout.root().file_name().map(|name| name.to_string_lossy().into_owned()),
        method: built.record.tasks.first().map(|task| task.weighed.method.as_str().to_owned()),
        left_out,
        ensemble_score: Some(built.record.validation.harmonic_mean),
        rules: rules(&built),
        test: None,
    };
    auto_record.write(runs.study.folder(), &RealFs)?;
    write_report(&runs.study, out)?;
    auto.finish()?;
    Ok(auto_record)
}

/// The page of the study, with what `auto` did.
pub(super) fn write_report(study: &Study, out: &Path) -> anyhow::Result<()> {
    let html = page::html(&Overview::read(study)?)?;
    Ok(write_whole(&RealFs, &out.join("report.html"), html.as_bytes())?)
}

/// Whether the search was worth its time, in sentences.
fn finding(confirmation: Option<&Confirmation>, runs: &AutoRuns, trials: usize) -> String {
    let Some(confirmation) = confirmation else {
        if trials == 0 {
            return "There was no time for a search that finds more than chance: all of it went into networks by the default recipe."
                .to_owned();
        }
        return "There was no time to compare what was found with the default recipe.".to_owned();
    };
    let rows = if confirmation.unit == "fold" { "folds" } else { "validation images" };
    let instead = match runs.instead {
        0 => String::new(),
        count => format!(
            " The time of the search is not counted: the default recipe could have been trained {} more in it.",
            if count == 1 { "once".to_owned() } else { format!("{count} times") }
        ),
    };
    format!(
        "{} The default recipe was trained for {}, the best settings for about as long on the same {rows}.{instead}",
        confirmation.sentence(),
        plural(runs.epochs, "epoch")
    )
}

/// The networks of all members, each a package, and how they are averaged.
pub(super) fn write_package(
    name: &str,
    built: &Built,
    members: &[MemberRecord],
    folders: &[PathBuf],
    data: &Path,
    out: &Path,
) -> anyhow::Result<()> {
    let mut packages = Vec::new();
    for (member, run) in members.iter().zip(folders) {
        let weights = weights(built, &member.name);
        if weights.values().all(|weight| *weight <= 0.0) {
            continue;
        }
        let source = RunSource { run, data_folder: data, seed: Some(member.seed), format: NumberFormat::Fp32 };
        let bundle = Bundle::of_run(&source, &TaskChoice::All)?;
        packages.push((bundle, Member { folder: member.name.clone(), weights }));
    }
    Ok(Ensemble::write(&RealFs, out, name, &packages, &decide_by(built))?)
}

/// The best settings against the base, on the folds or seeds that both have.
fn confirmation(
    records: &[TrialRecord],
    members: &[MemberRecord],
    folded: bool,
    compared: usize,
) -> Option<Confirmation> {
    let winner = members.iter().find_map(|member| member.trial)?;
    let scores = |trial: Option<u64>| -> Vec<(usize, f64)> {
        members.iter().filter(|member| member.trial == trial).map(|member| (member.unit, member.score)).collect()
    };
    let (of_winner, of_base) = (scores(Some(winner)), scores(None));
    let pairs: Vec<(f64, f64)> = of_winner
        .iter()
        .filter_map(|(unit, score)| Some((*score, of_base.iter().find(|(other, _)| other == unit)?.1)))
        .collect();
    if pairs.is_empty() {
        return None;
    }
    let value = records.iter().find(|trial| trial.number == winner).and_then(|trial| trial.value);
    let candidates = vec![
        Candidate { trial: Some(winner), value, scores: pairs.iter().map(|pair| pair.0).collect() },
        Candidate { trial: None, value: None, scores: pairs.iter().map(|pair| pair.1).collect() },
    ];
    Some(Confirmation::new(compared, if folded { "fold" } else { "seed" }, candidates))
}
