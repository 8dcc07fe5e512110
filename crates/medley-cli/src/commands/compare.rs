use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;

use anyhow::bail;
use medley_metrics::scorecard::tables::render_comparison;
use medley_metrics::scorecard::{Prediction, compare};

use super::score::{chosen_metrics, format, inputs, resampling};
use crate::args::compare::CompareArguments;
use crate::args::score::TruthArguments;
use crate::failure::Usage;
use crate::output;

pub(crate) fn run(arguments: &CompareArguments) -> anyhow::Result<ExitCode> {
    let metrics = chosen_metrics(&arguments.resampling)?;
    let mut predictors = Vec::new();
    for path in &arguments.predictions {
        predictors.push(one_predictor(path, &arguments.truth)?);
    }
    let card = compare(&predictors, &metrics, &resampling(&arguments.resampling))?;
    if card.pairs.is_empty() {
        bail!(Usage("they have no task in common".to_owned()));
    }
    match format(&arguments.output) {
        None => output::json(&card)?,
        Some(format) => output::line(&render_comparison(&card, format))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The only predictor of a path, or the ensemble among several.
fn one_predictor(path: &Path, truth: &TruthArguments) -> anyhow::Result<(String, Vec<Prediction>)> {
    let mut predictions = inputs::load(path, truth)?;
    inputs::refuse_doubles(&predictions)?;
    let names: BTreeSet<String> = predictions.iter().map(|prediction| prediction.predictor.clone()).collect();
    let chosen: Vec<&String> = match names.len() {
        1 => names.iter().collect(),
        _ => names.iter().filter(|name| name.ends_with("-ensemble")).collect(),
    };
    let [name] = chosen.as_slice() else {
        let names: Vec<String> = names.into_iter().collect();
        bail!(Usage(format!(
            "`{}` holds predictions by several ({}), and not one ensemble; name the files of one of them",
            path.display(),
            names.join(", ")
        )));
    };
    predictions.retain(|prediction| prediction.predictor == **name);
    Ok((path.display().to_string(), predictions))
}
