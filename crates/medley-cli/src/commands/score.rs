//! `medley score`: anyone's predictions against the truth. With the scoring of a run, this is the only place where test labels
//! are opened, and only for predictions that are finished.

pub(super) mod inputs;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use medley_core::{Labels, Scores, ScoringToken, Split, TaskSpec};
use medley_data::{DataError, Registry, read_labels};
use medley_metrics::bootstrap::Resampling;
use medley_metrics::metrics::{self, ALL};
use medley_metrics::read::labels;
use medley_metrics::scorecard::score;
use medley_metrics::scorecard::tables::{Format, Show, render};
use medley_metrics::{Metric, MetricError};

use crate::args::score::{OutputArguments, ResamplingArguments, ScoreArguments, TruthArguments};
use crate::failure::Usage;
use crate::output;

pub(crate) fn run(arguments: &ScoreArguments) -> anyhow::Result<ExitCode> {
    let metrics = chosen_metrics(&arguments.resampling)?;
    let mut predictions = Vec::new();
    for path in &arguments.predictions {
        predictions.extend(inputs::load(path, &arguments.truth)?);
    }
    inputs::refuse_doubles(&predictions)?;
    let card = score(&predictions, &metrics, &resampling(&arguments.resampling));
    match format(&arguments.output) {
        None => output::json(&card)?,
        Some(format) => {
            let show = Show { published: !arguments.no_published, details: arguments.details };
            output::line(&render(&card, format, show))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// `None` is JSON.
pub(super) fn format(arguments: &OutputArguments) -> Option<Format> {
    match (arguments.json, arguments.markdown, arguments.latex) {
        (true, ..) => None,
        (_, true, _) => Some(Format::Markdown),
        (.., true) => Some(Format::Latex),
        _ => Some(Format::Text),
    }
}

pub(super) fn resampling(arguments: &ResamplingArguments) -> Resampling {
    Resampling { resamples: arguments.resamples as usize, confidence: arguments.confidence, seed: arguments.seed }
}

pub(super) fn chosen_metrics(arguments: &ResamplingArguments) -> anyhow::Result<Vec<&'static dyn Metric>> {
    if arguments.metrics.iter().any(|id| id == "all") {
        return Ok(ALL.to_vec());
    }
    let known = || ALL.iter().map(|metric| metric.info().id).collect::<Vec<_>>().join(", ");
    let find = |id: &String| {
        metrics::by_id(id.trim())
            .ok_or_else(|| Usage(format!("there is no figure `{id}`; there are: {}", known())).into())
    };
    arguments.metrics.iter().map(find).collect()
}

/// The truth of predictions that are read and complete, with the task as its file knows it.
pub(super) fn truth(
    spec: &TaskSpec,
    size: usize,
    split: Split,
    finished: &Scores,
    arguments: &TruthArguments,
) -> anyhow::Result<(TaskSpec, Labels)> {
    let path = match &arguments.labels {
        Some(path) => path.clone(),
        None => data_file(spec, size, arguments)?,
    };
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    let (spec, labels) = match extension.as_str() {
        "npz" => {
            let found = read_labels(&path, spec, split)?;
            check_rows(&found.spec, split, finished.rows(), found.labels.rows())?;
            let token = ScoringToken::for_predictions(&found.spec.name, finished);
            (found.spec.clone(), found.labels.open(&token)?.clone())
        }
        "npy" => (spec.clone(), labels::from_npy(&inputs::read(&path)?, spec).with_context(|| named(&path))?),
        _ => (spec.clone(), labels::from_csv(&inputs::read(&path)?, spec).with_context(|| named(&path))?),
    };
    check_rows(&spec, split, finished.rows(), labels.rows())?;
    Ok((spec, labels))
}

/// Rows of the truth, without opening it.
pub(super) fn rows_of_truth(spec: &TaskSpec, split: Split, arguments: &TruthArguments) -> anyhow::Result<usize> {
    match &arguments.labels {
        Some(path) if path.extension().is_none_or(|extension| extension != "npz") => {
            let bytes = inputs::read(path)?;
            let numpy = path.extension().is_some_and(|extension| extension == "npy");
            let found = if numpy { labels::from_npy(&bytes, spec) } else { labels::from_csv(&bytes, spec) };
            Ok(found.with_context(|| named(path))?.rows())
        }
        Some(path) => Ok(read_labels(path, spec, split)?.labels.rows()),
        None => Ok(read_labels(&data_file(spec, arguments.size, arguments)?, spec, split)?.labels.rows()),
    }
}

fn named(path: &Path) -> String {
    format!("cannot use the labels in `{}`", path.display())
}

fn data_file(spec: &TaskSpec, size: usize, arguments: &TruthArguments) -> anyhow::Result<std::path::PathBuf> {
    let Some(entry) = Registry::builtin().get(&spec.name) else {
        let own = arguments.data.data.join(format!("{}.npz", spec.name));
        return Ok(own);
    };
    if entry.file(size).is_none() {
        return Err(DataError::UnknownSize { name: spec.name.clone(), size, sizes: entry.sizes() }.into());
    }
    Ok(arguments.data.data.join(entry.file_name(size)))
}

/// Predictions of the other generation of the organ files are told by their number.
fn check_rows(spec: &TaskSpec, split: Split, predicted: usize, labelled: usize) -> anyhow::Result<()> {
    if predicted == labelled {
        return Ok(());
    }
    let error = MetricError::Rows { task: spec.name.clone(), labels: labelled, scores: predicted };
    let place = Split::ALL.iter().position(|known| *known == split).unwrap_or_default();
    let entry = Registry::builtin().get(&spec.name);
    let release =
        |rows: usize| entry.and_then(|entry| entry.releases.iter().find(|release| release.rows[place] == rows));
    Err(match (release(predicted), release(labelled)) {
        (Some(theirs), Some(ours)) => anyhow::Error::new(error).context(format!(
            "the predictions are of the file of MedMNIST {}, but the data folder has that of {}: the {split} splits of \
             `{}` differ, so no score; `medley data fetch` names both",
            theirs.name, ours.name, spec.name
        )),
        _ => anyhow::Error::new(error),
    })
}
