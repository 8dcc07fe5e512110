use std::process::ExitCode;

use medley_core::text::plural;
use medley_data::cache;

use crate::args::data::look::CleanArguments;
use crate::failure::Usage;
use crate::output;

pub(super) fn run(arguments: &CleanArguments) -> anyhow::Result<ExitCode> {
    let unknown = || Usage("the cache folder is unknown: give it with --cache".to_owned());
    let folder = arguments.cache.clone().or_else(cache::default_folder).ok_or_else(unknown)?;
    let found = if arguments.dry_run { cache::list(&folder)? } else { cache::clean(&folder)? };
    if arguments.json {
        output::json(&found)?;
        return Ok(ExitCode::SUCCESS);
    }
    let done = if arguments.dry_run { "would be removed" } else { "removed" };
    for cached in &found {
        output::line(&format!("{} ({}) {done}", cached.path.display(), output::bytes(cached.bytes)))?;
    }
    let total = found.iter().map(|cached| cached.bytes).sum();
    output::line(&format!("{}, {}, in {}", plural(found.len(), "file"), output::bytes(total), folder.display()))?;
    Ok(ExitCode::SUCCESS)
}
