//! Images that belong together: left out, drawn as a whole, and what is kept of that in a run folder.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use medley_core::record::{RelatedRecord, RelatedTask, SCHEMA_VERSION};
use medley_core::{RunLayout, Split};
use medley_metrics::scorecard::{Prediction, Scorecard, beside};
use medley_predictions::{GroupTable, RunFiles};
use medley_storage::{ConfinedFolder, ConfinedFs, RealFs, Shown, write_whole};

use crate::failure::Usage;
use crate::output;

/// Leaves out what is related to images of other splits. Says how much of each task that is.
pub(super) fn keep_apart(
    predictions: &mut [Prediction],
    tables: &[(String, PathBuf)],
) -> anyhow::Result<Vec<RelatedTask>> {
    let mut tasks: Vec<RelatedTask> = Vec::new();
    with_groups("--apart", &mut predictions.iter_mut().collect::<Vec<_>>(), tables, |prediction, table, path| {
        if prediction.split != Split::Test {
            let problem = format!("`--apart` is for the test split; `{}` is of another", prediction.file);
            return Err(Usage(problem).into());
        }
        let all = prediction.sample.rows();
        table.of_all(&[(Split::Test, all)])?;
        let apart = table.apart(Split::Test, all);
        prediction.sample = prediction.sample.only(&apart)?;
        let left_out = all - apart.len();
        prediction.remarks.push(format!(
            "without {left_out} of {all} images, of whose group `{}` has others in training or validation",
            path.display()
        ));
        let task = &prediction.sample.spec().name;
        if tasks.iter().all(|known| known.task != *task) {
            tasks.push(RelatedTask {
                task: task.clone(),
                groups: path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
                groups_sha256: table.sha256().to_owned(),
                images: all,
                apart: apart.len(),
                scores: Vec::new(),
            });
        }
        Ok(())
    })?;
    Ok(tasks)
}

/// The run folder that figures are written into.
pub(super) fn written_run(paths: &[PathBuf]) -> anyhow::Result<RunFiles> {
    let only_one = || Usage("`--write` needs one run folder, and nothing else to score".to_owned());
    let [path] = paths else { return Err(only_one().into()) };
    if !path.is_dir() {
        return Err(only_one().into());
    }
    Ok(RunFiles::read(&RunLayout::new(path))?)
}

/// Keeps figures with and without related images in the run folder, beside those of other tasks that were made alike.
pub(super) fn write_related(
    run: &RunFiles,
    tasks: Vec<RelatedTask>,
    all: &Scorecard,
    apart: &Scorecard,
) -> anyhow::Result<()> {
    let mut tasks: Vec<RelatedTask> =
        tasks.into_iter().map(|task| RelatedTask { scores: beside(&task.task, all, apart), ..task }).collect();
    let name = run.manifest.run.clone();
    let earlier = read_related(run).filter(|record| record.run == name && record.resampling == all.resampling);
    for other in earlier.into_iter().flat_map(|record| record.tasks) {
        if tasks.iter().all(|task| task.task != other.task) {
            tasks.push(other);
        }
    }
    let order = |task: &RelatedTask| run.manifest.data.iter().position(|data| data.task.name == task.task);
    tasks.sort_by_key(order);
    let record = RelatedRecord { schema_version: SCHEMA_VERSION, run: name, resampling: all.resampling, tasks };
    let path = run.layout.related();
    let storage = ConfinedFs::new(ConfinedFolder::new(run.layout.root()), &RealFs);
    write_whole(&storage, &path, &serde_json::to_vec_pretty(&record)?)?;
    output::note(&format!("written: `{}`", Shown(&path)));
    Ok(())
}

/// What was kept before; a file that cannot be used is replaced.
fn read_related(run: &RunFiles) -> Option<RelatedRecord> {
    let folder = ConfinedFolder::new(run.layout.root());
    let bytes = folder.read_file(&run.layout.related(), RelatedRecord::LARGEST_FILE).ok()?;
    let record: RelatedRecord = serde_json::from_slice(&bytes).ok()?;
    (record.schema_version == SCHEMA_VERSION && record.problem().is_none()).then_some(record)
}

/// Intervals and tests by whole groups.
pub(crate) fn draw_groups(predictions: &mut [&mut Prediction], tables: &[(String, PathBuf)]) -> anyhow::Result<()> {
    with_groups("--groups", predictions, tables, |prediction, table, path| {
        let rows = prediction.sample.rows();
        let numbers: Vec<u64> =
            table.of_all(&[(prediction.split, rows)])?.into_iter().map(|listed| listed.group).collect();
        let groups = numbers.iter().collect::<BTreeSet<_>>().len();
        prediction.sample.set_groups(numbers)?;
        prediction.remarks.push(format!(
            "intervals by drawing the {groups} groups of `{}` that the {rows} images are of",
            path.display()
        ));
        Ok(())
    })
}

/// Does something with the predictions of each task that an option names, and its table of groups.
fn with_groups(
    option: &str,
    predictions: &mut [&mut Prediction],
    tables: &[(String, PathBuf)],
    mut change: impl FnMut(&mut Prediction, &GroupTable, &Path) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut named = BTreeSet::new();
    if let Some((task, _)) = tables.iter().find(|(task, _)| !named.insert(task)) {
        return Err(Usage(format!("`{option} {task}=…` is given twice: put the groups into one file")).into());
    }
    for (task, path) in tables {
        let unusable = || format!("cannot use the groups of `{task}` in `{}`", path.display());
        let table = GroupTable::read(path).with_context(unusable)?;
        let mut of_task = predictions.iter_mut().filter(|one| one.sample.spec().name == *task).peekable();
        if of_task.peek().is_none() {
            return Err(Usage(format!("`{option} {task}=…`: there are no predictions of `{task}`")).into());
        }
        for prediction in of_task {
            change(prediction, &table, path).with_context(unusable)?;
        }
    }
    Ok(())
}
