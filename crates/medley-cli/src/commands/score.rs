//! `medley score`: anyone's predictions against the truth.

mod related;
mod truth;

use std::process::ExitCode;

use medley_core::Split;
use medley_metrics::Metric;
use medley_metrics::bootstrap::Resampling;
use medley_metrics::metrics::{self, ALL};
use medley_metrics::scorecard::score;
use medley_predictions::MatchRequest;
use medley_predictions::matching::{as_seeds, load, refuse_doubles};
use medley_report::{Format, Show, ShowPublished, render_scorecard};

pub(crate) use related::draw_groups;
use related::{keep_apart, write_related, written_run};
pub(crate) use truth::DataTruth;

use crate::args::score::{BaselinesArgument, OutputArguments, ResamplingArguments, ScoreArguments, TruthArguments};
use crate::failure::Usage;
use crate::output;

pub(crate) fn run(arguments: &ScoreArguments) -> anyhow::Result<ExitCode> {
    let metrics = chosen_metrics(&arguments.resampling)?;
    let request = request(&arguments.truth);
    let run = arguments.related.write.then(|| written_run(&arguments.predictions)).transpose()?;
    let mut predictions = Vec::new();
    for path in &arguments.predictions {
        let truth = DataTruth::of(path, &arguments.truth.data);
        predictions.extend(load(path, &request, &truth)?);
    }
    match &arguments.as_seeds {
        Some(name) => predictions = as_seeds(predictions, name)?,
        None => refuse_doubles(&predictions)?,
    }
    // First, as tables of groups are of all rows.
    draw_groups(&mut predictions.iter_mut().collect::<Vec<_>>(), &arguments.drawn.groups)?;
    let resampling = resampling(&arguments.resampling);
    let all = run.is_some().then(|| score(&predictions, &metrics, &resampling));
    let tasks = keep_apart(&mut predictions, &arguments.related.apart)?;
    let card = score(&predictions, &metrics, &resampling);
    if let (Some(run), Some(all)) = (&run, &all) {
        write_related(run, tasks, all, &card)?;
    }
    match format(&arguments.output) {
        None => output::json(&card)?,
        Some(format) => {
            let published = match arguments.baselines {
                _ if arguments.published => ShowPublished::All,
                BaselinesArgument::None => ShowPublished::None,
                BaselinesArgument::Best => ShowPublished::Best,
                BaselinesArgument::All => ShowPublished::All,
            };
            let show = Show { published, details: arguments.details };
            output::line(&render_scorecard(&card, format, show))?;
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
    if arguments.metrics.iter().any(|id| id.trim().is_empty()) {
        let problem = "`--metrics` has an empty name; give names separated by commas, such as auc,macro_f1, or `all`";
        return Err(Usage(problem.to_owned()).into());
    }
    let known = || ALL.iter().map(|metric| metric.info().id).collect::<Vec<_>>().join(", ");
    let find = |id: &String| {
        metrics::by_id(id.trim())
            .ok_or_else(|| Usage(format!("unknown metric `{id}`; known metrics: {}", known())).into())
    };
    arguments.metrics.iter().map(find).collect()
}

/// What the arguments say of files whose names do not.
pub(super) fn request(arguments: &TruthArguments) -> MatchRequest {
    MatchRequest {
        task: arguments.task.clone(),
        kind: arguments.kind.map(Into::into),
        split: arguments.split.map_or(Split::Test, Split::from),
        size: arguments.size,
        labels: arguments.labels.clone(),
        sample: arguments.like.clone(),
        any_scores: arguments.any_scores,
        allow_other_data: arguments.allow_other_data,
    }
}
