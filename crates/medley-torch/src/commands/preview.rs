//! `medley augment preview`: the images that training sees.

use std::process::ExitCode;

use medley_augment::Policy;
use medley_augment::preview::{PreviewOptions, preview_policy};
use medley_cli::args::augment::PreviewArguments;
use medley_cli::failure::Usage;
use medley_cli::{output, sheets};
use medley_data::{OpenOptions, open_task};

use super::config;

pub(crate) fn run(arguments: &PreviewArguments) -> anyhow::Result<ExitCode> {
    let (experiment, _) = config::read(&arguments.config, &arguments.set, &arguments.sheet.data.data)?;
    if let Some(stranger) = arguments.tasks.iter().find(|task| !experiment.tasks.contains(task)) {
        let known = experiment.tasks.join(", ");
        return Err(Usage(format!("--task {stranger:?} is not a task of the config, which has {known}")).into());
    }
    for (position, task) in experiment.tasks.iter().enumerate() {
        if !arguments.tasks.is_empty() && !arguments.tasks.contains(task) {
            continue;
        }
        let opened = open_task(&arguments.sheet.data.data, task, experiment.data.size, &OpenOptions::default())?;
        let images = opened.task.train.images();
        let policy = Policy::new(&experiment.policy(task)).map_err(|error| sheets::usage(task, &error))?;
        let options = PreviewOptions {
            indices: evenly(images.len(), arguments.images),
            draws: arguments.draws,
            seed: arguments.sheet.seed,
            task: position,
        };
        let columns = options.draws.saturating_add(1);
        let mut grid = sheets::grid(task, &arguments.sheet, images.as_ref(), options.indices.len(), columns)?;
        preview_policy(images.as_ref(), &policy, &options, &mut |row, column, image| grid.place(row, column, image))
            .map_err(|error| sheets::usage(task, &error))?;
        let path = sheets::write(&grid.into_sheet(), &arguments.sheet, &format!("preview-{task}.png"))?;
        let rows = options.indices.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
        output::line(&format!("{} (training images {rows})", path.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// At most `wanted` positions of `count`, evenly spread, the first among them.
fn evenly(count: usize, wanted: usize) -> Vec<usize> {
    let wanted = wanted.min(count);
    (0..wanted).map(|place| place * count / wanted).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_taken_evenly() {
        assert_eq!(evenly(10, 4), [0, 2, 5, 7]);
        assert_eq!(evenly(2, 4), [0, 1]);
        assert_eq!(evenly(0, 4), [0; 0]);
    }
}
