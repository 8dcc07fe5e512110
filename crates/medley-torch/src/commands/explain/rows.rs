//! Images of a split of a run's own data.

use std::path::Path;
use std::sync::Arc;

use medley_augment::Normalisation;
use medley_core::record::Manifest;
use medley_core::{RunLayout, Split};
use medley_models::{MultiTaskNet, environment};
use medley_predictions::record::read_manifest;
use medley_storage::Shown;
use medley_train::config::Experiment;
use medley_train::data::SplitSources;
use medley_train::export::{best_network, best_seed};

use medley_cli::args::explain::ExplainArguments;
use medley_cli::data_folder;
use medley_cli::failure::Usage;

use super::asked::Asked;
use crate::commands::{config, train};

/// More images than anyone looks at.
pub(super) const MOST_ROWS: usize = 10_000;

/// A run that is read, with the network that validation chose.
pub(super) struct Opened {
    pub(super) layout: RunLayout,
    pub(super) manifest: Manifest,
    pub(super) experiment: Experiment,
    pub(super) data: std::path::PathBuf,
    pub(super) seed: u64,
    pub(super) net: MultiTaskNet,
    pub(super) epoch: usize,
}

/// Reads a run folder.
pub(super) fn open_run(arguments: &ExplainArguments) -> anyhow::Result<Opened> {
    let [run] = arguments.inputs.as_slice() else {
        let problem = "one run folder is explained at a time; pictures need --model, the network that explains them";
        return Err(Usage(problem.to_owned()).into());
    };
    if run.is_file() {
        let problem = format!("`{}` is a file: a picture needs --model, the network that explains it", run.display());
        return Err(Usage(problem).into());
    }
    let layout = RunLayout::new(run);
    let manifest = read_manifest(&layout)?;
    let data = data_folder::of_run(run, Some(&manifest), &arguments.data);
    let experiment = config::read_recorded(&layout, &manifest, &data)?;
    let seed = arguments.seed.unwrap_or_else(|| best_seed(&layout, &manifest));
    environment::set_threads(std::thread::available_parallelism().map_or(1, usize::from));
    let asked = |name: &&str| arguments.task.as_ref().is_none_or(|task| task == name);
    let tasks: Vec<_> = manifest.data.iter().map(|data| data.task.name.as_str()).filter(asked).collect();
    let (net, epoch) = best_network(&layout, &manifest, &experiment, seed, &tasks)?;
    Ok(Opened { layout, manifest, experiment, data, seed, net, epoch })
}

/// The rows that were asked for.
pub(super) fn open(arguments: &ExplainArguments) -> anyhow::Result<Asked> {
    let split = Split::from(arguments.split);
    if let Some(picture) = arguments.inputs.iter().find(|input| input.is_file()) {
        let problem =
            format!("`{}` is not a run folder; to explain a picture, name the network with --model", Shown(picture));
        return Err(Usage(problem).into());
    }
    if arguments.rows.is_empty() {
        return Err(Usage("--rows says which images are explained, such as --rows 3,17".to_owned()).into());
    }
    let opened = open_run(arguments)?;
    let names = || opened.manifest.data.iter().map(|data| data.task.name.as_str());
    let task = match &arguments.task {
        None if opened.manifest.data.len() == 1 => Some(0),
        None => None,
        Some(task) => names().position(|name| name == task),
    };
    let Some(task) = task else {
        let known = names().collect::<Vec<_>>().join(", ");
        return Err(Usage(format!("--task must name a task of the run: {known}")).into());
    };
    let session = train::session(&opened.data, &arguments.reading);
    let sources = session.images(&opened.experiment, &opened.layout, &opened.manifest, split)?;
    let (images, normalisation) = source_of(&sources, task)?;
    let spec = opened.manifest.data[task].task.clone();
    let rows = checked_rows(&arguments.rows, images.len(), split, &opened.layout)?;
    let names = rows.iter().map(|row| format!("{}-{split}-{row}", spec.name)).collect();
    let model = format!("{}, seed {}, epoch {}", opened.manifest.run, opened.seed, opened.epoch);
    Ok(Asked {
        model,
        net: opened.net,
        task,
        spec,
        images,
        normalisation,
        notes: vec![Vec::new(); rows.len()],
        rows,
        names,
        skipped: 0,
    })
}

/// The images of a task, and what they are normalised by.
pub(super) fn source_of(
    sources: &SplitSources,
    task: usize,
) -> anyhow::Result<(Arc<dyn medley_core::ImageSource>, Normalisation)> {
    let (images, statistics) = sources
        .images()
        .zip(sources.normalisations())
        .nth(task)
        .ok_or_else(|| anyhow::anyhow!("the data of the run have no task {task}"))?;
    Ok((Arc::clone(images), Normalisation { mean: statistics.mean, std: statistics.std }))
}

/// Each once, in order of their first mention.
fn checked_rows(asked: &[usize], have: usize, split: Split, run: &RunLayout) -> Result<Vec<usize>, Usage> {
    let root: &Path = run.root();
    if let Some(row) = asked.iter().find(|&&row| row >= have) {
        let last = have.saturating_sub(1);
        return Err(Usage(format!("--rows {row}: the {split} split of `{}` has rows 0 to {last}", root.display())));
    }
    if asked.len() > MOST_ROWS {
        return Err(Usage(format!("--rows names {} rows; at most {MOST_ROWS} are explained at once", asked.len())));
    }
    let mut rows = Vec::with_capacity(asked.len());
    for &row in asked {
        if !rows.contains(&row) {
            rows.push(row);
        }
    }
    Ok(rows)
}
