use std::path::PathBuf;
use std::process::ExitCode;

use medley_audit::inspect::{Description, describe};
use medley_core::Split;
use medley_data::file_named;

use crate::args::data::look::InfoArguments;
use crate::output;

pub(super) fn run(arguments: &InfoArguments) -> anyhow::Result<ExitCode> {
    let options = arguments.reading.options();
    let look = |set: &PathBuf| describe(&file_named(set, &arguments.data.data)?, &options);
    let described = arguments.sets.iter().map(look).collect::<Result<Vec<Description>, _>>()?;
    if arguments.json {
        output::json(&described)?;
        return Ok(ExitCode::SUCCESS);
    }
    for (index, description) in described.iter().enumerate() {
        if index > 0 {
            output::line("")?;
        }
        print(description)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print(description: &Description) -> anyhow::Result<()> {
    let row = |name: &str, value: &str| output::line(&format!("{name:<9} {value}"));
    row("file", &format!("{} ({})", description.path.display(), output::bytes(description.bytes)))?;
    match (&description.set, &description.record) {
        (Some(_), Some(record)) => {
            row("set", &format!("{} ({})", record.task.title, record.task.name))?;
            row("kind", &record.task.kind.to_string())?;
            row("images", &record.task.shape.to_string())?;
            for split in Split::ALL {
                let rows = record.rows.get(&split).copied().unwrap_or_default();
                // Test labels are sealed: how its classes are distributed is told by scoring alone.
                let counts = record
                    .class_counts
                    .get(&split)
                    .map_or_else(|| "labels sealed".to_owned(), |counts| format!("by class {counts:?}"));
                row(split.as_str(), &format!("{rows} images, {counts}"))?;
            }
            row("classes", &record.task.classes.join("; "))?;
        }
        (set, _) => {
            row("set", set.as_deref().unwrap_or("unknown"))?;
            for array in &description.arrays {
                let shape = array.shape.as_ref().map(|shape| format!("{shape:?}"));
                let text = [array.dtype.clone(), shape].into_iter().flatten().collect::<Vec<_>>().join(" ");
                row("array", &format!("{} {text}", array.name))?;
            }
        }
    }
    if let Some(licence) = &description.licence {
        row("licence", licence)?;
    }
    row("MD5", &description.md5)?;
    row("SHA-256", &description.sha256)?;
    row("verdict", &description.verdict.sentence())?;
    for difference in &description.differences {
        row("differs", difference)?;
    }
    Ok(())
}
