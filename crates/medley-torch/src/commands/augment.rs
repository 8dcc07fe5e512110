use std::path::PathBuf;
use std::process::ExitCode;

use medley_augment::preview::{PreviewOptions, preview_corruptions, preview_policy};
use medley_augment::{Corruption, Policy, PolicyConfig, TransformConfig};
use medley_core::ImageSource;
use medley_data::{OpenOptions, Registry, open_task};
use medley_import::sheet::{Grid, Sheet};
use medley_storage::{RealFs, write_new, write_whole};
use serde::Serialize;

use super::config;
use medley_cli::args::augment::{
    AugmentArguments, AugmentSubcommand, CorruptionsArguments, PreviewArguments, SheetArguments,
};
use medley_cli::failure::Usage;
use medley_cli::output;

pub(crate) fn run(arguments: &AugmentArguments) -> anyhow::Result<ExitCode> {
    match &arguments.subcommand {
        AugmentSubcommand::List { json } => list(*json)?,
        AugmentSubcommand::Policy { set } => output::document(&builtin(set)?)?,
        AugmentSubcommand::Preview(arguments) => preview(arguments)?,
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

fn preview(arguments: &PreviewArguments) -> anyhow::Result<()> {
    let (experiment, _) = config::read(&arguments.config, &arguments.set, &arguments.sheet.data.data)?;
    if let Some(stranger) = arguments.tasks.iter().find(|task| !experiment.tasks.contains(task)) {
        let known = experiment.tasks.join(", ");
        return Err(Usage(format!("--task {stranger:?} is not a task of the config, which has {known}")).into());
    }
    for (position, task) in experiment.tasks.iter().enumerate() {
        if !arguments.tasks.is_empty() && !arguments.tasks.contains(task) {
            continue;
        }
        let opened = open_task(&arguments.sheet.data.data, task, experiment.data.size, &OpenOptions::default())?;
        let images = opened.task.train.images();
        let policy = Policy::new(&experiment.policy(task)).map_err(|error| usage(task, &error))?;
        let options = PreviewOptions {
            indices: evenly(images.len(), arguments.images),
            draws: arguments.draws,
            seed: arguments.sheet.seed,
            task: position,
        };
        let columns = options.draws.saturating_add(1);
        let mut grid = grid(task, &arguments.sheet, images.as_ref(), options.indices.len(), columns)?;
        preview_policy(images.as_ref(), &policy, &options, &mut |row, column, image| grid.place(row, column, image))
            .map_err(|error| usage(task, &error))?;
        let path = write(&grid.into_sheet(), &arguments.sheet, &format!("preview-{task}.png"))?;
        let rows = options.indices.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
        output::line(&format!("{} (training images {rows})", path.display()))?;
    }
    Ok(())
}

fn corruptions(arguments: &CorruptionsArguments) -> anyhow::Result<()> {
    let CorruptionsArguments { set, size, index, sheet } = arguments;
    let opened = open_task(&sheet.data.data, set, *size, &OpenOptions::default())?;
    let (images, modality) = (opened.task.train.images().as_ref(), opened.task.spec.modality);
    let kinds = Corruption::for_modality(modality);
    if kinds.is_empty() {
        return Err(Usage(format!("{set}: there are no corruptions for segmented shapes")).into());
    }
    let mut grid = grid(set, sheet, images, kinds.len(), 6)?;
    preview_corruptions(images, modality, *index, sheet.seed, &mut |row, column, image| grid.place(row, column, image))
        .map_err(|error| usage(set, &error))?;
    let path = write(&grid.into_sheet(), sheet, &format!("corruptions-{set}.png"))?;
    let rows = kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ");
    output::line(&format!("{} (from top to bottom: {rows})", path.display()))
}

/// What was asked for cannot be drawn.
fn usage(place: &str, error: &dyn std::error::Error) -> Usage {
    Usage(format!("{place}: {error}"))
}

/// At most `wanted` positions of `count`, evenly spread, the first among them.
fn evenly(count: usize, wanted: usize) -> Vec<usize> {
    let wanted = wanted.min(count);
    (0..wanted).map(|place| place * count / wanted).collect()
}

/// An empty grid for images of a set.
fn grid(
    set: &str,
    sheet: &SheetArguments,
    images: &dyn ImageSource,
    rows: usize,
    columns: usize,
) -> Result<Grid, Usage> {
    let zoom = sheet.zoom.unwrap_or_else(|| (84 / images.shape().width.max(1)).max(1));
    if !(1..=64).contains(&zoom) {
        return Err(Usage(format!("--zoom {zoom}: give a number from 1 to 64")));
    }
    Grid::new(images.shape(), rows, columns, zoom).map_err(|error| usage(set, &error))
}

/// Writes a sheet and says where.
fn write(sheet: &Sheet, arguments: &SheetArguments, name: &str) -> anyhow::Result<PathBuf> {
    fs_err::create_dir_all(&arguments.out)?;
    let path = arguments.out.join(name);
    let bytes = sheet.to_png()?;
    if arguments.overwrite {
        write_whole(&RealFs, &path, &bytes)?;
    } else {
        write_new(&RealFs, &path, &bytes)?;
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_taken_evenly() {
        assert_eq!(evenly(10, 4), [0, 2, 5, 7]);
        assert_eq!(evenly(2, 4), [0, 1]);
        assert_eq!(evenly(0, 4), [0; 0]);
    }

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
