//! Pictures of a user, explained by the network of a run or a package, or by a built-in model.

use std::path::Path;
use std::sync::Arc;

use medley_augment::Normalisation;
use medley_core::Images;
use medley_core::record::ChannelStatistics;
use medley_models::environment;
use medley_predict::Inputs;

use medley_cli::args::explain::ExplainArguments;
use medley_cli::failure::Usage;
use medley_cli::output;

use super::super::bundle;
use super::asked::Asked;
use super::rows::MOST_ROWS;

/// Reads the network, and the pictures that can be read; the others are named and passed over.
pub(super) fn open(arguments: &ExplainArguments, folder: &Path) -> anyhow::Result<Asked> {
    let source =
        bundle::Source { model: folder, task: arguments.task.as_deref(), seed: arguments.seed, data: &arguments.data };
    let bundle = bundle::open_one(&source)?;
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

/// The name of a file without its folder and ending, in letters that every file system has.
fn plain(name: &str) -> String {
    let stem = Path::new(name).file_stem().unwrap_or_default().to_string_lossy();
    let legal = |c: char| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { '_' };
    stem.chars().take(60).map(legal).collect()
}
