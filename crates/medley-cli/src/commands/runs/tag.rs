use std::process::ExitCode;

use medley_core::RunLayout;
use medley_predictions::record::read_manifest;
use medley_runs::{TagChange, Tags};
use medley_storage::RealFs;

use crate::args::runs::TagArguments;
use crate::failure::Usage;
use crate::output;

pub(super) fn run(arguments: &TagArguments) -> anyhow::Result<ExitCode> {
    let change =
        TagChange { add: arguments.tags.clone(), remove: arguments.remove.clone(), note: arguments.note.clone() };
    change.check()?;
    if let Some(tag) = arguments.tags.iter().find(|tag| arguments.remove.contains(tag)) {
        return Err(Usage(format!("the tag `{tag}` is to be added and removed; leave one of them out")).into());
    }
    let run = RunLayout::new(&arguments.run);
    // What is no run gets no tags.
    read_manifest(&run)?;
    let mut tags = Tags::read(&run)?;
    if !change.is_empty() {
        tags = change.apply(tags, &run)?;
        tags.write(&run, &RealFs)?;
    }
    if arguments.json {
        output::json(&tags)?;
    } else {
        output::line(&text(&tags))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn text(tags: &Tags) -> String {
    let names: Vec<&str> = tags.tags.iter().map(String::as_str).collect();
    let tags_line = if names.is_empty() { "no tags".to_owned() } else { format!("tags: {}", names.join(", ")) };
    match &tags.note {
        Some(note) => format!("{tags_line}\nnote: {note}"),
        None => tags_line,
    }
}
