use std::path::{Path, PathBuf};
use std::process::ExitCode;

use medley_audit::inspect::{Verification, verify};
use medley_data::{DataError, OpenOptions, Registry, file_named};
use serde::Serialize;

use super::describe;
use crate::args::data::look::VerifyArguments;
use crate::failure::Usage;
use crate::output;

/// The outcome for one file, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Checked {
    file: PathBuf,
    #[serde(flatten)]
    verification: Option<Verification>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

pub(super) fn run(arguments: &VerifyArguments) -> anyhow::Result<ExitCode> {
    let (folder, sets) = (arguments.data.data.as_path(), &arguments.sets);
    let files = if sets.is_empty() {
        known_files(folder)?
    } else {
        sets.iter().map(|set| file_named(set, folder)).collect::<Result<_, _>>()?
    };
    if files.is_empty() {
        let message =
            format!("there is no known file in `{}`; name files, or another folder with --data", folder.display());
        return Err(Usage(message).into());
    }
    let mut checked = Vec::new();
    for file in files {
        let (verification, error) = match verify(&file, &OpenOptions::default()) {
            Ok(verification) => (Some(verification), None),
            Err(error) => (None, Some(describe(&error))),
        };
        checked.push(Checked { file, verification, error });
    }
    if arguments.json {
        output::json(&checked)?;
    } else {
        for line in &checked {
            let (mark, text) = match (&line.verification, &line.error) {
                (Some(found), _) if found.verdict.is_sound() => ("ok     ", found.verdict.sentence()),
                (Some(found), _) => ("differs", found.verdict.sentence()),
                (None, error) => ("BROKEN ", error.clone().unwrap_or_default()),
            };
            output::line(&format!("{mark}  {}  {text}", line.file.display()))?;
        }
    }
    let sound = checked.iter().all(|line| line.verification.as_ref().is_some_and(|found| found.verdict.is_sound()));
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::from(3) })
}

fn known_files(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let registry = Registry::of_folder(folder)?;
    let files = registry
        .entries()
        .iter()
        .flat_map(|entry| entry.sizes().into_iter().map(|size| folder.join(entry.file_name(size))))
        .filter(|path| path.exists());
    Ok(files.collect())
}
