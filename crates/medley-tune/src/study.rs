//! A study with its base experiment.

use std::path::{Path, PathBuf};

use medley_data::Registry;
use medley_search::{SearchError, Study, StudyDefinition};
use medley_storage::{RealFs, read_text};
use medley_studies::DATA_FOLDER;
use medley_train::config::{Experiment, RawExperiment, load};
use medley_train::session::Session;
use toml::{Table, Value};

use crate::{Plan, TuneError};

/// Name of the base experiment in the folder of a study.
pub const BASE: &str = "base.toml";
/// Most bytes of the text of a study.
const MAX_TEXT: u64 = 1 << 20;

/// Begins a study from its TOML file, or opens it where it was begun before from the same text. What the base experiment leaves open of how
/// to compute is decided now, so that all trials have the same; one thread, unless it says otherwise.
///
/// # Errors
/// Whatever is wrong with the study, with its place; with its base, its data, or the disk. [`TuneError::OtherStudy`] where
/// `studies/name` is a study of another text.
pub fn begin(
    studies: &Path,
    name: &str,
    path: &Path,
    session: &Session<'_>,
    registry: &Registry,
) -> Result<Study, TuneError> {
    let text = read_text(path, MAX_TEXT)?;
    begin_with(studies, name, path, &text, session, registry)
}

/// [`begin`] from a text; `path` is for messages, and its folder is that which `objective.base` is relative to.
///
/// # Errors
/// As [`begin`].
pub fn begin_with(
    studies: &Path,
    name: &str,
    path: &Path,
    text: &str,
    session: &Session<'_>,
    registry: &Registry,
) -> Result<Study, TuneError> {
    let folder = studies.join(name);
    if folder.join("study.json").exists() {
        return reopen(&folder, text);
    }
    let definition = StudyDefinition::parse(path, text)?;
    let plan = Plan::of(&definition)?;
    let base = path.parent().unwrap_or(Path::new("")).join(&plan.base);
    plan.check_base(&definition, &base, registry)?;
    let base = fixed(&base, session, registry)?;
    let data = remembered(session.data_folder());
    let mut texts = vec![(BASE, base.as_str())];
    texts.extend(data.as_deref().map(|data| (DATA_FOLDER, data)));
    match Study::create_with(&RealFs, studies, name, path, text, &texts) {
        // Another process was faster.
        Err(SearchError::Exists { path }) => reopen(&path, text),
        study => Ok(study?),
    }
}

/// The text of [`DATA_FOLDER`]; `None` of a folder whose name it could not hold.
fn remembered(data: &Path) -> Option<String> {
    let path = std::path::absolute(data).ok()?.into_os_string().into_string().ok()?;
    Some(format!("{path}\n"))
}

fn reopen(folder: &Path, text: &str) -> Result<Study, TuneError> {
    let study = Study::open(folder)?;
    if study.is_of(text) { Ok(study) } else { Err(TuneError::OtherStudy { path: folder.to_owned() }) }
}

/// The base experiment as it is written, with everything fixed that decides how it is computed.
fn fixed(path: &Path, session: &Session<'_>, registry: &Registry) -> Result<String, TuneError> {
    let mut table = load::load::<RawExperiment>(path, &[])?.table;
    let written = |table: &Table, key: &str| table.get("train").and_then(|train| train.get(key)).cloned();
    let mut alone = Vec::new();
    for key in ["threads", "replicas"] {
        if written(&table, key).is_none() {
            alone.push(format!("train.{key}=1"));
            set(&mut table, key, Value::Integer(1));
        }
    }
    let plan = session.choose(&Experiment::load(path, &alone, registry)?)?.plan;
    set(&mut table, "precision", plan.precision.to_string().into());
    set(&mut table, "memory_layout", plan.memory_layout.to_string().into());
    set(&mut table, "convolutions", plan.convolutions.to_string().into());
    Ok(load::render(&table))
}

fn set(table: &mut Table, key: &str, value: Value) {
    let train = table.entry("train").or_insert_with(|| Value::Table(Table::new()));
    if let Some(train) = train.as_table_mut() {
        train.insert(key.to_owned(), value);
    }
}

/// The base experiment of a study, and where it lies; checked against what the study began with.
///
/// # Errors
/// [`TuneError::NoBase`], [`TuneError::OtherVersion`], [`SearchError::Edited`].
pub fn base(study: &Study) -> Result<PathBuf, TuneError> {
    let now = env!("CARGO_PKG_VERSION");
    if study.version() != now {
        let (path, began, now) = (study.folder().to_owned(), study.version().to_owned(), now.to_owned());
        return Err(TuneError::OtherVersion { path, began, now });
    }
    match study.text(BASE)? {
        Some(_) => Ok(study.folder().join(BASE)),
        None => Err(TuneError::NoBase { path: study.folder().to_owned() }),
    }
}
