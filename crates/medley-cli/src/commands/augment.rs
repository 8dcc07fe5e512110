//! `medley augment`: transforms, policies, and sheets of what they make of images.

use std::process::ExitCode;

use medley_augment::preview::preview_corruptions;
use medley_augment::{Corruption, PolicyConfig, TransformConfig};
use medley_data::{OpenOptions, Registry, open_task};
use serde::Serialize;

use crate::args::TorchCommand;
use crate::args::augment::{AugmentArguments, AugmentSubcommand, CorruptionsArguments};
use crate::failure::Usage;
use crate::{Torch, output, sheets};

pub(crate) fn run<T: Torch>(arguments: &AugmentArguments) -> anyhow::Result<ExitCode> {
    match &arguments.subcommand {
        AugmentSubcommand::List { json } => list(*json)?,
        AugmentSubcommand::Policy { set } => output::document(&builtin(set)?)?,
        // It reads a config.
        AugmentSubcommand::Preview(arguments) => return T::run(&TorchCommand::Preview(arguments.clone())),
        AugmentSubcommand::Corruptions(arguments) => corruptions(arguments)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list(json: bool) -> anyhow::Result<()> {
    #[derive(Serialize)]
    struct Listed {
        name: &'static str,
        summary: &'static str,
    }
    let pairs = TransformConfig::NAMES.iter().zip(TransformConfig::SUMMARIES);
    if json {
        return output::json(&pairs.map(|(name, summary)| Listed { name, summary }).collect::<Vec<_>>());
    }
    let rows: Vec<_> = pairs.map(|(&name, &summary)| vec![name.to_owned(), summary.to_owned()]).collect();
    output::line(&output::table(&["type", "what it does"], &rows))
}

/// The policy as it would stand in a config.
fn builtin(set: &str) -> anyhow::Result<String> {
    let entry = Registry::builtin().find(set)?;
    let policy = PolicyConfig::builtin(entry.modality);
    let mut lines = vec![format!("# {}", PolicyConfig::reason(entry.modality)), format!("[augment.policies.{set}]")];
    let frame = PolicyConfig { steps: Vec::new(), ..policy.clone() };
    lines.extend(toml::to_string(&frame)?.lines().filter(|line| !line.starts_with("steps")).map(str::to_owned));
    lines.push("steps = [".to_owned());
    for step in &policy.steps {
        let keys = toml::to_string(step)?;
        lines.push(format!("    {{ {} }},", keys.lines().collect::<Vec<_>>().join(", ")));
    }
    lines.push("]".to_owned());
    Ok(lines.join("\n"))
}

fn corruptions(arguments: &CorruptionsArguments) -> anyhow::Result<()> {
    let CorruptionsArguments { set, size, index, sheet } = arguments;
    let opened = open_task(&sheet.data.data, set, *size, &OpenOptions::default())?;
    let (images, modality) = (opened.task.train.images().as_ref(), opened.task.spec.modality);
    let kinds = Corruption::for_modality(modality);
    if kinds.is_empty() {
        return Err(Usage(format!("{set}: there are no corruptions for segmented shapes")).into());
    }
    let mut grid = sheets::grid(set, sheet, images, kinds.len(), 6)?;
    preview_corruptions(images, modality, *index, sheet.seed, &mut |row, column, image| grid.place(row, column, image))
        .map_err(|error| sheets::usage(set, &error))?;
    let path = sheets::write(&grid.into_sheet(), sheet, &format!("corruptions-{set}.png"))?;
    let rows = kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ");
    output::line(&format!("{} (from top to bottom: {rows})", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builtin_policies_are_printed_as_configs_want_them() {
        #[derive(serde::Deserialize)]
        struct Config {
            augment: Augment,
        }
        #[derive(serde::Deserialize)]
        struct Augment {
            policies: std::collections::BTreeMap<String, PolicyConfig>,
        }
        for entry in Registry::builtin().entries() {
            let text = builtin(&entry.name).unwrap();
            let config: Config = toml::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
            assert_eq!(config.augment.policies[&entry.name], PolicyConfig::builtin(entry.modality));
        }
        assert!(builtin("patmnist").unwrap_err().to_string().contains("pathmnist"));
    }
}
