//! `medley study slurm`: writes the scripts, and lets `sbatch` take them.

use std::io;
use std::path::{Path, PathBuf, absolute};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use medley_search::Study;
use medley_storage::{RealFs, Shown, StorageError, create_folder, write_once};
use medley_studies::slurm::{Jobs, Places, finish_script, workers_script};
use serde::Serialize;
use toml::Table;

use crate::args::study::SlurmArguments;
use crate::failure::Usage;
use crate::{data_folder, output};

/// Name of the folder for scripts and logs in that of a study.
const FOLDER: &str = "slurm";
/// Where a shell finds it.
const SBATCH: &str = "sbatch";

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Submitted {
    /// Number of the array, as Slurm gave it.
    workers: String,
    /// Number of the job after it.
    finish: String,
    /// The folder with scripts and logs.
    folder: PathBuf,
}

pub(super) fn run(arguments: &SlurmArguments) -> anyhow::Result<()> {
    let study = Study::open(&arguments.study)?;
    check(&study)?;
    let jobs = Jobs {
        array: arguments.array,
        at_once: arguments.at_once,
        per_node: arguments.per_node,
        threads: threads(&study)?,
        time: arguments.time,
        confirm: arguments.confirm,
        options: arguments.options.clone(),
    };
    let folder = absolute(study.folder())?;
    let data = absolute(data_folder::of_study(&study, &arguments.data)?)?;
    if !data.is_dir() {
        let text = format!("`{}`, the folder of the data, is not there; name it with --data", Shown(&data));
        return Err(Usage(text).into());
    }
    let scripts = |logs: &Path| -> anyhow::Result<[String; 2]> {
        let program = std::env::current_exe().context("finding this program")?;
        let work = std::env::current_dir().context("finding the current folder")?;
        let places = Places { program, study: folder.clone(), data: data.clone(), work, logs: logs.to_owned() };
        Ok([workers_script(&places, &jobs).map_err(Usage)?, finish_script(&places, &jobs).map_err(Usage)?])
    };
    if arguments.dry_run {
        let [workers, finish] = scripts(&folder.join(FOLDER).join("0"))?;
        return output::document(format!("{workers}\n{finish}").trim_end());
    }
    // Before anything is written.
    sbatch(&["--version"], None)?;
    let place = new_folder(&folder.join(FOLDER))?;
    let [workers, finish] = scripts(&place)?;
    let workers = submit(&[], &place.join("workers.sh"), &workers)?;
    let after = format!("--dependency=afterany:{workers}");
    let finish = submit(&[&after], &place.join("finish.sh"), &finish)
        .with_context(|| format!("job {workers} was submitted, and no job that comes after it"))?;
    say(arguments, &Submitted { workers, finish, folder: place })
}

fn say(arguments: &SlurmArguments, submitted: &Submitted) -> anyhow::Result<()> {
    if arguments.json {
        return output::json(submitted);
    }
    let Submitted { workers, finish, folder } = submitted;
    let SlurmArguments { study, array, per_node, .. } = arguments;
    let study = Shown(study);
    output::line(&format!(
        "job {workers}  {array} x {per_node} workers of `{study}`\njob {finish}  the end of it, when they have ended\nlogs     {}\n\n\
         `medley study status {study}` says how far it is; `medley study stop {study}` ends all workers",
        Shown(folder)
    ))
}

/// Refuses what workers would refuse.
fn check(study: &Study) -> anyhow::Result<()> {
    let folder = Shown(study.folder());
    let now = env!("CARGO_PKG_VERSION");
    let problem = if study.version() != now {
        format!("`{folder}` was begun by medley {}, and this is {now}: continue it with that version", study.version())
    } else if study.is_stopped() {
        format!("`{folder}` is stopped; `medley study stop {folder} --undo` lets it be continued")
    } else if study.is_complete()? {
        format!("`{folder}` has no trial left; `medley study extend {folder} --trials 10` allows more")
    } else {
        return Ok(());
    };
    Err(Usage(problem).into())
}

/// Threads of a worker: those of the base experiment.
fn threads(study: &Study) -> anyhow::Result<u32> {
    let Some(base) = study.text("base.toml")? else {
        let folder = Shown(study.folder());
        let text = format!("`{folder}` is a study without a base experiment, so that no run can be made of its trials");
        return Err(Usage(text).into());
    };
    let base: Table = base.parse().context("reading the base experiment of the study")?;
    let number = |key: &str| base.get("train")?.get(key)?.as_integer().and_then(|number| u32::try_from(number).ok());
    // Replicas share the threads, each of which has one at least.
    Ok(number("threads").unwrap_or(1).max(number("replicas").unwrap_or(1)).max(1))
}

/// `slurm/0`, or the next that there is not.
fn new_folder(parent: &Path) -> Result<PathBuf, StorageError> {
    create_folder(parent)?;
    let mut number = 0_u64;
    loop {
        let path = parent.join(number.to_string());
        match fs_err::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(source) => return Err(StorageError::io(&path, source)),
        }
    }
}

/// Writes a script and submits it; the number of the job.
fn submit(options: &[&str], path: &Path, script: &str) -> anyhow::Result<String> {
    write_once(&RealFs, path, script.as_bytes())?;
    let said = sbatch(&[&["--parsable"], options].concat(), Some(path))?;
    // `17`, or `17;cluster`.
    let number = said.trim().split(';').next().unwrap_or_default();
    if number.is_empty() || !number.chars().all(|c| c.is_ascii_digit()) {
        bail!("`{SBATCH}` did not say the number of the job, but {said:?}");
    }
    Ok(number.to_owned())
}

/// What `sbatch` says on standard output.
fn sbatch(options: &[&str], script: Option<&Path>) -> anyhow::Result<String> {
    let mut command = Command::new(SBATCH);
    command.args(options).args(script).stdin(Stdio::null());
    let said = match command.output() {
        Ok(said) => said,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let text = format!(
                "`{SBATCH}` is not in PATH, so there is no Slurm to submit to; `--dry-run` prints the scripts, and any other \
                 scheduler can start `medley study work`"
            );
            return Err(Usage(text).into());
        }
        Err(error) => return Err(error).context(format!("starting `{SBATCH}`")),
    };
    if said.status.success() {
        return Ok(String::from_utf8_lossy(&said.stdout).into_owned());
    }
    let words = String::from_utf8_lossy(&said.stderr);
    let place = script.map_or_else(String::new, |script| format!("; the script is `{}`", Shown(script)));
    Err(Usage(format!("`{SBATCH}` refused ({}){place}\n  {}", said.status, medley_storage::printable(words.trim())))
        .into())
}
