//! Pictures of a user, explained by the network of a run or a package.

use std::path::Path;
use std::sync::Arc;

use medley_augment::Normalisation;
use medley_core::record::ChannelStatistics;
use medley_core::{Images, RunLayout};
use medley_models::environment;
use medley_package::NumberFormat;
use medley_predict::{Bundle, Inputs, MODEL, PredictError, RunSource, TaskChoice};
use medley_predictions::record::read_manifest;

use medley_cli::args::explain::ExplainArguments;
use medley_cli::failure::Usage;
use medley_cli::{data_folder, output};

use super::asked::Asked;
use super::rows::MOST_ROWS;

/// Reads the network, and the pictures that can be read; the others are named and passed over.
pub(super) fn open(arguments: &ExplainArguments, folder: &Path) -> anyhow::Result<Asked> {
    let bundle = bundle(arguments, folder)?;
    let task = bundle.task(arguments.task.as_deref())?;
    let model = &bundle.package().models()[task];
    let rules = model.picture_rules();
    let mut inputs = Inputs::default();
    for path in &arguments.inputs {
        inputs.add(path, None, &rules)?;
    }
    if inputs.len() > MOST_ROWS {
        return Err(Usage(format!("{} pictures; at most {MOST_ROWS} are explained at once", inputs.len())).into());
    }
    let (mut bytes, mut names, mut notes, mut skipped) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for index in 0..inputs.len() {
        let name = inputs.name(index);
        match inputs.read(index, model, &rules) {
            Ok(input) => {
                bytes.extend(input.pixels);
                names.push(format!("{index:04}-{}", plain(&name)));
                notes.push(input.notes.iter().map(ToString::to_string).collect());
            }
            Err(error) => {
                output::note(&format!("skipped: `{name}`: {error}"));
                skipped += 1;
            }
        }
    }
    let images = Images::new(model.input(), names.len(), bytes)?;
    let ChannelStatistics { mean, std } = model.normalisation().clone();
    environment::set_threads(std::thread::available_parallelism().map_or(1, usize::from));
    Ok(Asked {
        model: model.name().to_owned(),
        net: bundle.network()?,
        task,
        spec: model.task().clone(),
        images: Arc::new(images),
        normalisation: Normalisation { mean, std },
        rows: (0..names.len()).collect(),
        names,
        notes,
        skipped,
    })
}

fn bundle(arguments: &ExplainArguments, folder: &Path) -> anyhow::Result<Bundle> {
    if folder.join(MODEL).symlink_metadata().is_ok() {
        if arguments.seed.is_some() {
            return Err(Usage("--seed is for run folders; a package has one network".to_owned()).into());
        }
        return Ok(Bundle::read(folder)?);
    }
    let layout = RunLayout::new(folder);
    if layout.manifest().symlink_metadata().is_err() {
        return Err(PredictError::Neither { path: folder.to_owned() }.into());
    }
    let manifest = read_manifest(&layout)?;
    let data_folder = data_folder::of_run(folder, Some(&manifest), &arguments.data);
    let choice = match &arguments.task {
        Some(task) if manifest.data.len() > 1 => TaskChoice::One(task.clone()),
        _ => TaskChoice::All,
    };
    let source = RunSource { run: folder, data_folder: &data_folder, seed: arguments.seed, format: NumberFormat::Fp32 };
    Ok(Bundle::of_run(&source, &choice)?)
}

/// The name of a file without its folder and ending, in letters that every file system has.
fn plain(name: &str) -> String {
    let stem = Path::new(name).file_stem().unwrap_or_default().to_string_lossy();
    let legal = |c: char| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { '_' };
    stem.chars().take(60).map(legal).collect()
}
