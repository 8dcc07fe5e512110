use std::path::Path;
use std::process::ExitCode;

use medley_data::{Entry, Registry};
use serde::Serialize;

use crate::output;

/// A line of the list.
#[derive(Debug, Serialize)]
struct Listed<'a> {
    #[serde(flatten)]
    entry: &'a Entry,
    /// Sizes of the files in the data folder.
    present: Vec<usize>,
}

pub(super) fn run(folder: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let registry = Registry::of_folder(folder)?;
    let listed: Vec<Listed<'_>> = registry
        .entries()
        .iter()
        .map(|entry| Listed {
            present: entry.sizes().into_iter().filter(|&size| folder.join(entry.file_name(size)).exists()).collect(),
            entry,
        })
        .collect();
    if json {
        output::json(&listed)?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<Vec<String>> = listed
        .iter()
        .map(|line| {
            let entry = line.entry;
            let present: Vec<String> = line.present.iter().map(ToString::to_string).collect();
            let rows = entry.releases.first().map_or([0; 3], |release| release.rows);
            vec![
                entry.name.clone(),
                entry.kind.to_string(),
                entry.classes.len().to_string(),
                rows.iter().sum::<usize>().to_string(),
                entry.licence.clone(),
                if present.is_empty() { "no".to_owned() } else { format!("at {}", present.join(", ")) },
            ]
        })
        .collect();
    let header = ["name", "kind", "classes", "images", "licence", "in the data folder"];
    output::line(&output::table(&header, &rows))?;
    output::line(&format!("\ndata folder: {}", folder.display()))?;
    Ok(ExitCode::SUCCESS)
}
