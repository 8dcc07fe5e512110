//! `medley auto`: a search, networks by what it found, an ensemble, a report.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use medley_cli::args::auto::AutoArguments;
use medley_cli::combine::{Combined, combine};
use medley_cli::failure::Usage;
use medley_cli::output;
use medley_core::RunLayout;
use medley_core::text::{duration, plural};
use medley_data::Registry;
use medley_predictions::record::read_manifest;
use medley_search::Study;
use medley_storage::{RealFs, create_folder, write_whole};
use medley_studies::auto::{AutoRecord, MemberRecord, PhaseRecord};
use medley_studies::confirmation::Candidate;
use medley_studies::{Confirmation, Overview, page};
use medley_train::export::export;
use medley_tune::auto::{AutoRequest, AutoRuns, Clock, run as search_and_train};

use super::config::read_recorded;
use super::train::session;
use crate::interruption::Interruption;

/// What the program has taken before it looks at its clock: mostly for loading libtorch.
const BEFORE: Duration = Duration::from_millis(400);

pub(crate) fn run(arguments: &AutoArguments) -> anyhow::Result<ExitCode> {
    let clock = Clock::new(arguments.budget, BEFORE);
    let first = arguments.tasks.first().cloned().unwrap_or_else(|| "config".to_owned());
    let out = arguments.out.clone().unwrap_or_else(|| PathBuf::from("auto").join(first));
    let again = format!(
        "`medley study work {}` continues the search, and another --out begins again",
        out.join("search").display()
    );
    let interruption = Interruption::while_running(&again)?;
    let session = session(&arguments.data.data, &arguments.reading);
    let registry = Registry::of_folder(&arguments.data.data)?;
    let request = AutoRequest {
        tasks: arguments.tasks.clone(),
        base: arguments.config.clone(),
        out: out.clone(),
        seed: arguments.seed,
    };
    let say = |text: &str| {
        if !arguments.quiet {
            output::note(&format!("[{}] {text}", duration(clock.spent())));
        }
    };
    let Some(runs) = search_and_train(&request, &session, &registry, &clock, &interruption.stop, &say)? else {
        return Ok(interruption.stopped(&again));
    };
    if runs.members.is_empty() {
        let budget = duration(clock.budget());
        let text = format!("no network was finished within {budget}; give it more time, or a smaller network");
        return Err(Usage(text).into());
    }
    let record = finish(&runs, &arguments.data.data, &out, &clock)?;
    if arguments.json {
        output::json(&record)?
    } else {
        output::line(&text(&record, &runs, &out))?
    }
    Ok(ExitCode::SUCCESS)
}

/// Ensemble, weights, records and report.
fn finish(runs: &AutoRuns, data: &Path, out: &Path, clock: &Clock) -> anyhow::Result<AutoRecord> {
    let before = clock.spent();
    let folders: Vec<PathBuf> = runs.members.iter().map(|member| out.join("members").join(&member.name)).collect();
    let Combined { folder, record, rules } = combine(&folders, data, out, "ensemble")?;
    write_weights(&runs.members, &folders, data, &out.join("weights"))?;
    confirmation(&runs.study, &runs.members)?.map_or(Ok(()), |one| one.write(runs.study.folder(), &RealFs))?;
    let methods: Vec<String> = record.tasks.iter().map(|task| task.weighed.method.as_str().to_owned()).collect();
    let mut phases = runs.phases.clone();
    phases
        .push(PhaseRecord { name: "ensemble, rules, weights and report".to_owned(), seconds: clock.spent() - before });
    let auto = AutoRecord {
        budget: clock.budget(),
        spent: clock.spent(),
        phases,
        members: runs.members.clone(),
        ensemble: folder.file_name().map(|name| name.to_string_lossy().into_owned()),
        method: methods.first().cloned(),
        ensemble_score: Some(record.validation.harmonic_mean),
        rules,
    };
    auto.write(runs.study.folder(), &RealFs)?;
    let html = page::html(&Overview::read(&runs.study)?)?;
    write_whole(&RealFs, &out.join("report.html"), html.as_bytes())?;
    Ok(auto)
}

/// The networks of all members under published names, a file for each task.
fn write_weights(members: &[MemberRecord], folders: &[PathBuf], data: &Path, out: &Path) -> anyhow::Result<()> {
    create_folder(out)?;
    for (member, folder) in members.iter().zip(folders) {
        let layout = RunLayout::new(folder);
        let manifest = read_manifest(&layout)?;
        let experiment = read_recorded(&layout, &manifest, data)?;
        for weights in export(&layout, &manifest, &experiment, member.seed, &[])? {
            let path = out.join(format!("{}-{}.safetensors", member.name, weights.task));
            write_whole(&RealFs, &path, &weights.bytes)?;
        }
    }
    Ok(())
}

/// The best settings against the base, on the seeds that both have.
fn confirmation(study: &Study, members: &[MemberRecord]) -> anyhow::Result<Option<Confirmation>> {
    let winner = members.iter().find_map(|member| member.trial);
    let scores = |trial: Option<u64>| -> Vec<(u64, f64)> {
        members.iter().filter(|member| member.trial == trial).map(|member| (member.seed, member.score)).collect()
    };
    let Some(winner) = winner else { return Ok(None) };
    let (of_winner, of_base) = (scores(Some(winner)), scores(None));
    let pairs: Vec<(f64, f64)> = of_winner
        .iter()
        .filter_map(|(seed, score)| Some((*score, of_base.iter().find(|(other, _)| other == seed)?.1)))
        .collect();
    if pairs.is_empty() {
        return Ok(None);
    }
    let trials = study.trials()?;
    let value = trials.iter().find(|trial| trial.number == winner).and_then(|trial| trial.value);
    let candidates = vec![
        Candidate { trial: Some(winner), value, scores: pairs.iter().map(|pair| pair.0).collect() },
        Candidate { trial: None, value: None, scores: pairs.iter().map(|pair| pair.1).collect() },
    ];
    let compared = trials.iter().filter(|trial| !trial.rungs.is_empty()).count();
    Ok(Some(Confirmation::new(compared, "seed", candidates)))
}

fn text(record: &AutoRecord, runs: &AutoRuns, out: &Path) -> String {
    let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.4}"));
    let (winner, base) = record.means();
    let members = plural(record.members.len(), "network");
    let share = record.spent / record.budget * 100.0;
    let mut lines = vec![
        format!("networks   {members} of {}", plural(runs.epochs, "epoch")),
        format!(
            "validation {} best settings, {} default recipe, {} ensemble",
            number(winner),
            number(base),
            number(record.ensemble_score)
        ),
    ];
    if let Ok(Some(confirmation)) = Confirmation::read(runs.study.folder()) {
        lines.push(confirmation.sentence());
    }
    lines.push(format!("time       {} of {} ({share:.1} %)", duration(record.spent), duration(record.budget)));
    lines.push(format!("ensemble   {}", out.join(record.ensemble.as_deref().unwrap_or("ensemble-1")).display()));
    lines.push(format!("weights    {}", out.join("weights").display()));
    lines.push(format!("report     {}", out.join("report.html").display()));
    lines.push("test       not scored; `medley ensemble MEMBERS --test` opens it, once".to_owned());
    lines.push("Not for clinical use.".to_owned());
    lines.join("\n")
}
