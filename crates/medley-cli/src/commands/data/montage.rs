use std::path::PathBuf;
use std::process::ExitCode;

use medley_data::open_named;
use medley_import::montage::{MontageOptions, file_name, montage};
use medley_storage::RealFs;

use super::test_token;
use crate::args::data::images::MontageArguments;
use crate::output;

pub(super) fn run(arguments: &MontageArguments) -> anyhow::Result<ExitCode> {
    let task = open_named(&arguments.set, &arguments.data.data, &arguments.reading.options())?.task;
    let split = arguments.split.into();
    let options = MontageOptions {
        split,
        columns: arguments.columns,
        rows: arguments.rows.unwrap_or(if arguments.by_class { 1 } else { 8 }),
        by_class: arguments.by_class,
        scale: arguments.scale,
        gap: arguments.gap,
        seed: arguments.seed,
        overwrite: arguments.overwrite,
    };
    let token = test_token(arguments.open_test_labels, &task);
    let path = arguments.out.clone().unwrap_or_else(|| PathBuf::from(file_name(&task, split)));
    let sheet = montage(&task, &path, &options, token.as_ref(), &RealFs)?;
    if arguments.json {
        output::json(&sheet)?;
    } else {
        let shown: usize = sheet.rows.iter().map(|row| row.images.len()).sum();
        output::line(&format!(
            "{}: {shown} of the {split} images, {}x{} pixels",
            path.display(),
            sheet.width,
            sheet.height
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}
