//! A network to be used: in a run folder, in a package, or part of the program.

use std::path::{Path, PathBuf};

use medley_builtin::BuiltIn;
use medley_cli::args::RunDataFolder;
use medley_cli::failure::Usage;
use medley_cli::{data_folder, output};
use medley_core::RunLayout;
use medley_package::NumberFormat;
use medley_predict::{Bundle, Ensemble, MODEL, PredictError, Predictor, RunSource, TaskChoice, ensemble_folder};
use medley_predictions::record::read_manifest;

/// Which network is meant.
pub(crate) struct Source<'a> {
    /// Run folder, package or name of a built-in model.
    pub(crate) model: &'a Path,
    /// The only task that is needed; all, where none is named.
    pub(crate) task: Option<&'a str>,
    /// Seed of a run; the best on validation, where none is named.
    pub(crate) seed: Option<u64>,
    /// Where the data of a run lie.
    pub(crate) data: &'a RunDataFolder,
}

/// What a path or a name stands for.
pub(crate) enum Found {
    /// The folder itself, or one within it.
    Ensemble(PathBuf),
    Package,
    Run,
    BuiltIn(&'static BuiltIn),
}

/// A folder that has a network is taken before a built-in model of that name: whoever has one there means it. People are told; a folder
/// with anything else in it, such as pictures, is not in the way. `./NAME` is always the folder.
pub(crate) fn find(model: &Path) -> anyhow::Result<Found> {
    if let Some(folder) = ensemble_folder(model) {
        return Ok(Found::Ensemble(folder));
    }
    let built_in = model.to_str().and_then(medley_builtin::find);
    let found = if model.join(MODEL).symlink_metadata().is_ok() {
        Found::Package
    } else if RunLayout::new(model).manifest().symlink_metadata().is_ok() {
        Found::Run
    } else if let Some(built_in) = built_in {
        return Ok(Found::BuiltIn(built_in));
    } else {
        return Err(neither(model));
    };
    if let Some(BuiltIn { name, .. }) = built_in {
        output::note(&format!("`{name}` is the folder of that name, and not the built-in model"));
    }
    Ok(found)
}

/// It is none of what is wanted.
pub(crate) fn neither(model: &Path) -> anyhow::Error {
    PredictError::Neither { path: model.to_owned(), known: medley_builtin::names() }.into()
}

/// Reads it.
pub(crate) fn open(source: &Source<'_>) -> anyhow::Result<Predictor> {
    let found = find(source.model)?;
    let without_seeds = match found {
        Found::Run => None,
        Found::Ensemble(_) => Some("an ensemble averages its networks"),
        Found::Package | Found::BuiltIn(_) => Some("a package has one network"),
    };
    if let (Some(why), true) = (without_seeds, source.seed.is_some()) {
        return Err(Usage(format!("--seed is for run folders; {why}")).into());
    }
    let bundle = match found {
        Found::Ensemble(folder) => return Ok(Predictor::Mean(Box::new(Ensemble::read(&folder)?))),
        Found::Package => Bundle::read(source.model)?,
        Found::BuiltIn(model) => of_program(model)?,
        Found::Run => of_run(source)?,
    };
    Ok(Predictor::One(Box::new(bundle)))
}

/// Reads one network: a map is not of the mean of several.
pub(crate) fn open_one(source: &Source<'_>) -> anyhow::Result<Bundle> {
    match open(source)? {
        Predictor::One(bundle) => Ok(*bundle),
        Predictor::Mean(_) => {
            let problem = "an ensemble has no map of its own; name one of the packages in its folder".to_owned();
            Err(Usage(problem).into())
        }
    }
}

/// A built-in model.
pub(crate) fn of_program(model: &BuiltIn) -> anyhow::Result<Bundle> {
    Ok(Bundle::from_bytes(model.description, model.weights.to_vec(), Path::new(model.name))?)
}

fn of_run(source: &Source<'_>) -> anyhow::Result<Bundle> {
    let folder = source.model;
    let manifest = read_manifest(&RunLayout::new(folder))?;
    let data_folder = &data_folder::of_run(folder, Some(&manifest), source.data);
    // A network of all tasks is not needed for one.
    let choice = match source.task {
        Some(task) if manifest.data.len() > 1 => TaskChoice::One(task.to_owned()),
        _ => TaskChoice::All,
    };
    let source = RunSource { run: folder, data_folder, seed: source.seed, format: NumberFormat::Fp32 };
    Ok(Bundle::of_run(&source, &choice)?)
}
