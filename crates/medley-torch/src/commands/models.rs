//! `medley models`: what there is to choose from, and what it costs.

mod builtin;
mod export;
mod package;

use std::process::ExitCode;

use medley_models::backbones::Stem;
use medley_models::{BackboneConfig, BackboneDescription, BackboneSummary, ModelError, describe, registry};

use medley_cli::args::models::{ModelsArguments, ModelsSubcommand, ShowArguments};
use medley_cli::failure::Usage;
use medley_cli::output;
use serde::de::value::{Error, StrDeserializer};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::bundle;

/// What published files have; with other sizes each network says no for itself.
const SIZES: [i64; 4] = [28, 64, 128, 224];
const VOLUME_SIZES: [i64; 2] = [28, 64];

pub(crate) fn run(arguments: &ModelsArguments) -> anyhow::Result<ExitCode> {
    match &arguments.subcommand {
        ModelsSubcommand::List { json } => list(*json)?,
        ModelsSubcommand::Show(show) => self::show(show)?,
        ModelsSubcommand::Export(export) => match (bundle::find(&export.run)?, &export.to) {
            (bundle::Found::Ensemble(_), _) => return Err(bundle::neither(&export.run)),
            (bundle::Found::BuiltIn(model), _) => builtin::export(model, export)?,
            (_, Some(folder)) => package::export(export, folder)?,
            (_, None) => export::run(export)?,
        },
        ModelsSubcommand::Verify(verify) => package::verify(verify)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// What there is, for scripts.
#[derive(Serialize)]
struct Listed {
    built_in: Vec<Value>,
    networks: Vec<BackboneSummary>,
}

fn list(json: bool) -> anyhow::Result<()> {
    let models = registry();
    if json {
        return output::json(&Listed { built_in: builtin::documents()?, networks: models });
    }
    output::line("Trained, and part of the program: `medley predict PICTURE --model NAME` uses one\n")?;
    output::line(&builtin::table()?)?;
    output::line("\nNetworks that a config may name\n")?;
    let rows: Vec<Vec<String>> = models
        .iter()
        .map(|model| {
            let width = if model.default_width > 0 { model.default_width.to_string() } else { "-".to_owned() };
            let pretrained = model.pretrained.unwrap_or("-").to_owned();
            vec![model.name.to_owned(), width, model.smallest_input.to_string(), pretrained, model.summary.to_owned()]
        })
        .collect();
    output::line(&output::table(&["name", "width", "smallest input", "pretrained weights", "description"], &rows))?;
    output::line(
        "\n`medley models show NAME` shows parameters, memory and options. In a config: [net] backbone = { name = \"resnet9\", width = 32 }",
    )
}

/// Reads a word as configs do.
fn word<T: for<'a> Deserialize<'a>>(option: &str, text: Option<&str>) -> Result<Option<T>, Usage> {
    let parse = |text| T::deserialize(StrDeserializer::<Error>::new(text));
    text.map(parse).transpose().map_err(|error| Usage(format!("{option}: {error}")))
}

fn show(arguments: &ShowArguments) -> anyhow::Result<()> {
    let config = BackboneConfig {
        name: arguments.name.clone(),
        width: arguments.width,
        depth: arguments.depth,
        stem: word("--stem", arguments.stem.as_deref())?,
        whitening: None,
        convolution: word("--convolution", arguments.convolution.as_deref())?,
    };
    let described = described(&config, arguments).map_err(in_options)?;
    if arguments.json {
        return output::json(&described);
    }
    let Some(first) = described.first() else { return Ok(()) };
    output::line(&format!("{}: {}\n", first.summary.name, first.summary.summary))?;
    for (what, text) in facts(first) {
        output::line(&format!("{what:<22}{text}"))?;
    }
    output::line("")?;
    let header = ["input", "stem", "parameters", "weights", "MACs", "activations", "receptive field"];
    output::line(&output::table(&header, &described.iter().map(row).collect::<Vec<_>>()))?;
    output::line(
        "\nPer image; MACs (multiply-adds) are for the forward pass; training takes about three times as many. Activations\n\
         are estimated for training in bfloat16; fp32 takes twice as much. Each head adds features x classes + classes.",
    )
}

/// What is wrong, by the option that was typed instead of the key of a config.
fn in_options(error: ModelError) -> anyhow::Error {
    match &error {
        ModelError::Config { key, value, problem } => match key.strip_prefix("net.backbone.") {
            Some(option) => Usage(format!("--{option} is {value}: {problem}")).into(),
            None => error.into(),
        },
        _ => error.into(),
    }
}

/// One description per size: those asked for, or those of MedMNIST that the network takes.
fn described(config: &BackboneConfig, arguments: &ShowArguments) -> Result<Vec<BackboneDescription>, ModelError> {
    let describe = |&size: &i64| describe(config, arguments.channels, size);
    if !arguments.size.is_empty() {
        return arguments.size.iter().map(describe).collect();
    }
    let volumes = registry().iter().any(|model| model.name == config.name && model.volumes);
    let sizes: &[i64] = if volumes { &VOLUME_SIZES } else { &SIZES };
    let (fit, refused): (Vec<_>, Vec<_>) = sizes.iter().map(describe).partition(Result::is_ok);
    let fit: Vec<BackboneDescription> = fit.into_iter().flatten().collect();
    match refused.into_iter().find_map(Result::err) {
        Some(error) if fit.is_empty() => Err(error),
        _ => Ok(fit),
    }
}

/// What does not depend on the size of the input.
fn facts(model: &BackboneDescription) -> Vec<(&str, String)> {
    let summary = &model.summary;
    let mut facts = Vec::new();
    for key in summary.keys.iter().skip(1) {
        let name = key.path.trim_start_matches("net.");
        let default = key.default.as_ref().map_or_else(String::new, |default| format!("; published: {default}"));
        facts.push((name, format!("{}{default}", key.range.as_deref().unwrap_or(key.kind))));
    }
    let pixels = if summary.volumes { "voxels" } else { "pixels" };
    facts.push(("smallest input", format!("{} {pixels} a side", summary.smallest_input)));
    facts.push(("features", model.features.to_string()));
    facts.push(("weights that fit", weights_that_fit(summary)));
    let cost = &model.cost_per_task;
    let mut options = Vec::new();
    if let Some(cost) = cost.batch_norm {
        options.push(format!("batch_norm = \"per_task\": {}", count(cost as u64)));
    }
    if let Some(cost) = cost.adapters {
        options.push(format!("adapters = true: {}", count(cost as u64)));
    }
    if let (Some(own), Some(shared)) = (cost.task_embedding, cost.task_embedding_shared) {
        options.push(format!("task_embedding = {own}: {own}, and {} once", count(shared as u64)));
    }
    let options = if options.is_empty() { "its head only".to_owned() } else { options.join("; ") };
    facts.push(("parameters per task", options));
    facts
}

/// Files that `net.pretrained` may name.
fn weights_that_fit(model: &BackboneSummary) -> String {
    let own = "what `medley models export` writes of a run with the same backbone";
    match model.pretrained {
        None => own.to_owned(),
        Some(published) if model.stems => format!("{published}, with stem = \"imagenet\"; {own}"),
        Some(published) => format!("{published}; {own}"),
    }
}

fn row(model: &BackboneDescription) -> Vec<String> {
    let axes = if model.summary.volumes { 3 } else { 2 };
    let mut input = vec![model.input_channels.to_string()];
    input.extend(vec![model.input_size.to_string(); axes]);
    vec![
        input.join("x"),
        model.stem.map_or("-", |stem| if stem == Stem::Small { "small" } else { "imagenet" }).to_owned(),
        count(model.parameters as u64),
        output::bytes(model.weight_bytes as u64),
        count(model.macs),
        output::bytes(model.activation_bytes_bf16),
        model.receptive_field.map_or_else(|| "all".to_owned(), |field| field.to_string()),
    ]
}

/// Thousands, millions and billions, as papers write them.
fn count(number: u64) -> String {
    match number {
        0..10_000 => number.to_string(),
        10_000..1_000_000 => format!("{:.1} k", number as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.2} M", number as f64 / 1e6),
        _ => format!("{:.2} G", number as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_exports_fit_every_backbone() {
        for model in registry() {
            let text = weights_that_fit(&model);
            assert!(text.ends_with("`medley models export` writes of a run with the same backbone"), "{text}");
            assert_eq!(text.starts_with("what"), model.pretrained.is_none(), "{text}");
        }
    }

    #[test]
    fn counts_are_short() {
        let seen = [7_850, 96_210, 11_168_832, 1_813_561_344].map(count);
        assert_eq!(seen, ["7850", "96.2 k", "11.17 M", "1.81 G"]);
    }
}
