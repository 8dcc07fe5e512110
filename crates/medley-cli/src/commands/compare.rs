use std::process::ExitCode;

use anyhow::bail;
use medley_metrics::scorecard::compare;
use medley_predictions::matching::{differing_computation, environment, load_predictor};
use medley_report::render_comparison;

use super::score::{DataTruth, chosen_metrics, draw_groups, format, request, resampling};
use crate::args::compare::CompareArguments;
use crate::failure::Usage;
use crate::output;

pub(crate) fn run(arguments: &CompareArguments) -> anyhow::Result<ExitCode> {
    let metrics = chosen_metrics(&arguments.resampling)?;
    let request = request(&arguments.truth);
    let mut predictors = Vec::new();
    for path in &arguments.predictions {
        let truth = DataTruth::of(path, &arguments.truth.data);
        predictors.push((path.display().to_string(), load_predictor(path, &request, &truth)?));
    }
    let all = predictors.iter_mut().flat_map(|(_, predictions)| predictions);
    draw_groups(&mut all.collect::<Vec<_>>(), &arguments.drawn.groups)?;
    let mut card = compare(&predictors, &metrics, &resampling(&arguments.resampling))?;
    if card.pairs.is_empty() {
        bail!(Usage("the predictions have no task in common".to_owned()));
    }
    let mut computed = Vec::new();
    for (path, (name, _)) in arguments.predictions.iter().zip(&predictors) {
        computed.extend(environment(path)?.map(|environment| (name.as_str(), environment)));
    }
    card.remarks.extend(differing_computation(&computed));
    match format(&arguments.output) {
        None => output::json(&card)?,
        Some(format) => output::line(&render_comparison(&card, format))?,
    }
    Ok(ExitCode::SUCCESS)
}
