//! The models that come with the program: listed, and written out.

use std::path::{Path, PathBuf};

use medley_builtin::BuiltIn;
use medley_package::{NOTICE, OverSeeds, Package, TaskMetrics};
use medley_storage::{RealFs, commit_directory, create_folder};
use serde::Serialize;
use serde_json::{Value, json};

use medley_cli::args::models::ExportArguments;
use medley_cli::failure::Usage;
use medley_cli::output;

/// A table for people.
pub(super) fn table() -> anyhow::Result<String> {
    let rows = medley_builtin::ALL.iter().map(|model| Ok(row(model, &model.package()?)));
    let rows = rows.collect::<anyhow::Result<Vec<_>>>()?;
    let header =
        ["model", "task", "input", "size", "licence", "macro-F1 on val", "on test", "over the seeds", "trained by"];
    Ok(output::table(&header, &rows))
}

fn row(built_in: &BuiltIn, package: &Package) -> Vec<String> {
    let (model, lineage) = (&package.models()[0], package.models()[0].lineage());
    let score = |metrics: Option<&TaskMetrics>| {
        metrics.map_or_else(|| "-".to_owned(), |metrics| format!("{:.3}", metrics.macro_f1))
    };
    let over = |OverSeeds { mean, standard_deviation, .. }: &OverSeeds| {
        format!("{:.3} ± {:.3}", mean.macro_f1, standard_deviation.macro_f1)
    };
    vec![
        built_in.name.to_owned(),
        format!("{}, {} classes", model.task().kind, model.classes().len()),
        model.input().to_string(),
        output::bytes(package.weights().bytes),
        model.data().licence.name().to_owned(),
        score(model.metrics().get("val")),
        score(model.metrics().get("test")),
        model.over_seeds().get("test").map_or_else(|| "-".to_owned(), over),
        format!("{}, seed {}, {} epochs", lineage.run, lineage.seed, lineage.epoch),
    ]
}

/// One document for each, for scripts.
pub(super) fn documents() -> anyhow::Result<Vec<Value>> {
    medley_builtin::ALL.iter().map(|built_in| Ok(document(built_in, &built_in.package()?))).collect()
}

fn document(built_in: &BuiltIn, package: &Package) -> Value {
    let model = &package.models()[0];
    json!({
        "name": built_in.name,
        "task": model.task(),
        "bytes": package.weights().bytes,
        "format": package.weights().format,
        "net": package.net(),
        "licence": model.data().licence.name(),
        "noncommercial": model.data().licence.is_noncommercial(),
        "metrics": model.metrics(),
        "over_seeds": model.over_seeds(),
        "decision": model.decision(),
        "unlike": model.unlike(),
        "lineage": model.lineage(),
        "data": { "file": model.data().file, "sha256": model.data().sha256, "release": model.data().release },
        "notice": NOTICE,
    })
}

/// What was written, for scripts.
#[derive(Serialize)]
struct Written {
    name: &'static str,
    path: PathBuf,
    bytes: u64,
}

/// Writes a model as a package of its name, as it lies in the program.
pub(super) fn export(model: &'static BuiltIn, arguments: &ExportArguments) -> anyhow::Result<()> {
    let Some(folder) = export_folder(arguments)? else {
        let problem =
            format!("`{}` is a built-in model, and a package already: name a folder for it with --to", model.name);
        return Err(Usage(problem).into());
    };
    create_folder(folder)?;
    let path = folder.join(model.name);
    commit_directory(&RealFs, &path, &model.files())?;
    let written = Written { name: model.name, path, bytes: model.weights.len() as u64 };
    if arguments.json {
        return output::json(&[written]);
    }
    output::line(&format!("{}: {} ({})", written.path.display(), model.name, output::bytes(written.bytes)))?;
    output::line(&format!("\n`medley predict PICTURE --model {}` uses it. {NOTICE}.", written.path.display()))
}

/// What changes a run on its way into a package has nothing to change here.
fn export_folder(arguments: &ExportArguments) -> Result<Option<&Path>, Usage> {
    let given = [
        (!arguments.task.is_empty(), "--task"),
        (arguments.seed.is_some(), "--seed"),
        (arguments.all_tasks, "--all-tasks"),
        (arguments.name.is_some(), "--name"),
        (arguments.no_calibration, "--no-calibration"),
        (arguments.format.is_some(), "--format"),
    ];
    match given.iter().find(|(given, _)| *given) {
        Some((_, option)) => Err(Usage(format!("{option} is for run folders; a built-in model is written as it is"))),
        None => Ok(arguments.to.as_deref()),
    }
}
