//! `medley score RUN --corruptions`: how a run fares on corrupted images.

use std::path::Path;
use std::process::ExitCode;

use medley_core::record::RobustnessRecord;
use medley_core::{RunLayout, Split};
use medley_metrics::robustness::{Relative, relative};
use medley_predictions::record::read_manifest;
use medley_report::{Format, read_robustness, render_robustness, robustness_chart};
use medley_storage::{RealFs, Shown, write_whole};
use serde::Serialize;

use crate::Torch;
use crate::args::score::{ScoreArguments, SplitArgument};
use crate::args::{RobustnessRequest, RunDataFolder, TorchCommand};
use crate::failure::Usage;
use crate::output;

/// What `--json` prints.
#[derive(Serialize)]
struct Found<'a> {
    robustness: &'a RobustnessRecord,
    /// By task, where a reference was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    relative: Option<Vec<Relative>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<&'a str>,
}

pub(crate) fn run<T: Torch>(arguments: &ScoreArguments) -> anyhow::Result<ExitCode> {
    let [run] = arguments.predictions.as_slice() else {
        return Err(
            Usage("--corruptions is for one run folder; name a run to compare it with by --reference".into()).into()
        );
    };
    let refused = match arguments.truth.split {
        None | Some(SplitArgument::Val) => None,
        Some(SplitArgument::Train) => Some("not those that the run was trained on"),
        Some(SplitArgument::Test) => Some("so that the test split stays shut; leave out --split"),
    };
    if let Some(why) = refused {
        return Err(Usage(format!("--corruptions takes validation images, {why}")).into());
    }
    let data = &arguments.truth.data;
    for path in std::iter::once(run).chain(&arguments.reference) {
        read_manifest(&RunLayout::new(path))?;
        if read_robustness(&RunLayout::new(path))?.is_none() {
            let request = RobustnessRequest { run: path.clone(), data: RunDataFolder { named: data.named.clone() } };
            let code = T::run(&TorchCommand::Robustness(request))?;
            if code != ExitCode::SUCCESS {
                return Ok(code);
            }
            output::note(&format!("written: `{}`", Shown(&RunLayout::new(path).robustness())));
        }
    }
    let record = measured(run)?;
    let reference = arguments.reference.as_deref().map(measured).transpose()?;
    if let Some(reference) = &reference {
        check_same(&record, reference)?;
    }
    if let Some(path) = &arguments.svg {
        match robustness_chart(&record, reference.as_ref()) {
            Some(chart) => {
                write_whole(&RealFs, path, chart.as_bytes())?;
                output::note(&format!("written: `{}`", Shown(path)));
            }
            None => output::note("no chart: no task has a modality with corruptions"),
        }
    }
    if arguments.output.json {
        let ratios = reference.as_ref().map(|reference| ratios(&record, reference));
        let name = reference.as_ref().map(|reference| reference.run.as_str());
        output::json(&Found { robustness: &record, relative: ratios, reference: name })?;
    } else {
        let format = if arguments.output.markdown { Format::Markdown } else { Format::Text };
        output::line(&render_robustness(&record, reference.as_ref(), format))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn measured(run: &Path) -> anyhow::Result<RobustnessRecord> {
    let record = read_robustness(&RunLayout::new(run))?;
    record.ok_or_else(|| anyhow::anyhow!("`{}` has no robustness.json", Shown(run)))
}

fn ratios(record: &RobustnessRecord, reference: &RobustnessRecord) -> Vec<Relative> {
    let of = |task: &medley_core::record::TaskRobustness| {
        Some(relative(task, reference.tasks.iter().find(|other| other.task == task.task)?))
    };
    record.tasks.iter().filter_map(of).collect()
}

/// Errors of other images are not to be divided by each other.
fn check_same(record: &RobustnessRecord, reference: &RobustnessRecord) -> anyhow::Result<()> {
    let mut common = 0;
    for task in &record.tasks {
        let Some(other) = reference.tasks.iter().find(|other| other.task == task.task) else { continue };
        common += 1;
        if (&task.sha256, task.rows, record.split) != (&other.sha256, other.rows, reference.split) {
            let (one, two) = (&record.run, &reference.run);
            let problem = format!(
                "`{one}` and `{two}` were validated on other images of `{}`; name a reference with the same data and folds",
                task.task
            );
            return Err(Usage(problem).into());
        }
    }
    if common == 0 || record.split != Split::Val {
        return Err(Usage(format!("`{}` and `{}` have no task in common", record.run, reference.run)).into());
    }
    Ok(())
}
