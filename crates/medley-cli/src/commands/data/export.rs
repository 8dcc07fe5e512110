use std::process::ExitCode;

use medley_core::Split;
use medley_core::text::plural;
use medley_data::open_named;
use medley_import::export::{ExportOptions, Exported, export};
use medley_storage::RealFs;

use super::test_token;
use crate::args::data::images::ExportArguments;
use crate::images_bar::images_bar;
use crate::output;

pub(super) fn run(arguments: &ExportArguments) -> anyhow::Result<ExitCode> {
    let mut splits: Vec<Split> = arguments.split.iter().map(|&split| split.into()).collect();
    if splits.is_empty() {
        splits = ExportOptions::default().splits;
        splits.extend(arguments.open_test_labels.then_some(Split::Test));
    }
    let options = ExportOptions { splits, overwrite: arguments.overwrite };
    let mut written: Vec<Exported> = Vec::new();
    for set in &arguments.sets {
        let opened = open_named(set, &arguments.data.data, &arguments.reading.options())?;
        let (rows, name) = (opened.rows(), opened.task.spec.name.as_str());
        let token = test_token(arguments.open_test_labels, &opened.task);
        let bar = images_bar(name, options.splits.iter().map(|&split| rows[split as usize] as u64).sum());
        let progress = |done: usize| bar.set_position(done as u64);
        let exported = export(&opened.task, &arguments.out, &options, token.as_ref(), &RealFs, &progress);
        bar.finish_and_clear();
        let exported = exported?;
        if !arguments.json {
            let removed = match exported.removed {
                0 => String::new(),
                removed => format!(", {removed} of an earlier export removed"),
            };
            let (folder, list) = (exported.folder.display(), exported.list.display());
            output::line(&format!("{folder}: {}{removed}, listed in {list}", plural(exported.images, "image")))?;
        }
        written.push(exported);
    }
    if arguments.json {
        output::json(&written)?;
    }
    Ok(ExitCode::SUCCESS)
}
