use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use medley_audit::datasheet::{Datasheet, Subject, Tally};
use serde::Serialize;

use super::test_token;
use crate::args::data::datasheet::{DatasheetArguments, Format};
use crate::failure::Usage;
use crate::output;
use crate::sheets::write_or_replace;

/// One datasheet, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Written {
    #[serde(flatten)]
    sheet: Datasheet,
    tally: Tally,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<PathBuf>,
}

pub(super) fn run(arguments: &DatasheetArguments) -> anyhow::Result<ExitCode> {
    if arguments.sets.len() > 1 && arguments.out.is_none() && !arguments.json {
        return Err(Usage("several sets need a folder for their datasheets: give it with --out".to_owned()).into());
    }
    let mut all = Vec::new();
    for set in &arguments.sets {
        let sheet = datasheet(set, arguments)?;
        if arguments.out.is_some() && all.iter().any(|written: &Written| written.sheet.file == sheet.file) {
            return Err(Usage(format!(
                "two of the files are called {}: one datasheet would replace the other",
                sheet.file
            ))
            .into());
        }
        let path = arguments
            .out
            .as_deref()
            .map(|folder| write(folder, &sheet, arguments.format, arguments.overwrite))
            .transpose()?;
        all.push(Written { tally: sheet.tally(), path, sheet });
    }
    if arguments.json {
        output::json(&all)?;
        return Ok(ExitCode::SUCCESS);
    }
    for written in &all {
        match &written.path {
            Some(path) => output::line(&format!("{}: {}", path.display(), written.tally.sentence()))?,
            None => output::document(render(&written.sheet, arguments.format)?.trim_end())?,
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn datasheet(set: &Path, arguments: &DatasheetArguments) -> anyhow::Result<Datasheet> {
    let subject = Subject::open_named(set, &arguments.data.data, &arguments.reading.options())?;
    let token = test_token(arguments.open_test_labels, &subject.opened().task);
    Ok(subject.datasheet(token.as_ref())?)
}

fn render(sheet: &Datasheet, format: Format) -> anyhow::Result<String> {
    match format {
        Format::Markdown => Ok(sheet.markdown()),
        Format::Html => sheet.html().context("the page cannot be rendered"),
    }
}

/// `breastmnist.npz` becomes `breastmnist.datasheet.md`. One that is there may have answers that somebody has written into it.
fn write(folder: &Path, sheet: &Datasheet, format: Format, overwrite: bool) -> anyhow::Result<PathBuf> {
    let extension = if format == Format::Html { "html" } else { "md" };
    let stem = sheet.file.strip_suffix(".npz").unwrap_or(&sheet.file);
    let path = folder.join(format!("{stem}.datasheet.{extension}"));
    fs_err::create_dir_all(folder)?;
    let refusal = "answers that were written into it would be lost; give another --out, or --overwrite";
    write_or_replace(&path, render(sheet, format)?.as_bytes(), overwrite, refusal)?;
    Ok(path)
}
