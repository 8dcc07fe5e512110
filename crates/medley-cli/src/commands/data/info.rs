use std::path::Path;
use std::process::ExitCode;

use medley_core::Split;
use medley_data::OpenOptions;
use medley_data::inspect::verify;

use crate::output;

pub(super) fn run(file: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let verification = verify(file, &OpenOptions::default())?;
    if json {
        output::json(&verification)?;
        return Ok(ExitCode::SUCCESS);
    }
    let record = &verification.record;
    let row = |name: &str, value: &str| output::line(&format!("{name:<9} {value}"));
    row("set", &format!("{} ({})", record.task.title, record.task.name))?;
    row("kind", &record.task.kind.to_string())?;
    row("images", &record.task.shape.to_string())?;
    for split in Split::ALL {
        let rows = record.rows.get(&split).copied().unwrap_or_default();
        // Test labels are sealed: how its classes are distributed is told by scoring alone.
        let counts = record
            .class_counts
            .get(&split)
            .map_or_else(|| "labels sealed until scoring".to_owned(), |counts| format!("by class {counts:?}"));
        row(split.as_str(), &format!("{rows} images, {counts}"))?;
    }
    row("classes", &record.task.classes.join("; "))?;
    row("licence", &verification.licence)?;
    row("MD5", &record.md5)?;
    row("SHA-256", &record.sha256)?;
    row("verdict", &verification.verdict.sentence())?;
    Ok(ExitCode::SUCCESS)
}
