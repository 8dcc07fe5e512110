use std::path::{Path, PathBuf};
use std::process::ExitCode;

use medley_audit::inspect::{Verification, verify};
use medley_data::{DataError, OpenOptions, Registry};
use serde::Serialize;

use super::describe;
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

pub(super) fn run(files: &[PathBuf], folder: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let files = if files.is_empty() { known_files(folder)? } else { files.to_vec() };
    if files.is_empty() {
        return Err(Usage(format!("there is no known file in `{}`; name files, or --data", folder.display())).into());
    }
    let mut checked = Vec::new();
    for file in files {
        let (verification, error) = match verify(&file, &OpenOptions::default()) {
            Ok(verification) => (Some(verification), None),
            Err(error) => (None, Some(describe(&error))),
        };
        checked.push(Checked { file, verification, error });
    }
    if json {
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
