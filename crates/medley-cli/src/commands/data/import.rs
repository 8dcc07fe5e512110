use std::process::ExitCode;

use medley_core::Split;
use medley_core::text::plural;
use medley_data::OpenOptions;
use medley_data::registry::user;
use medley_import::import::{Colour, ImportOptions, Imported, Source, TableOptions, import};
use medley_storage::RealFs;

use crate::args::data::images::{ColourArgument, ImportArguments};
use crate::failure::Usage;
use crate::images_bar::images_bar;
use crate::output;

/// Pictures left out, and groups of equal ones, that are printed.
const SHOWN: usize = 10;

pub(super) fn run(arguments: &ImportArguments) -> anyhow::Result<ExitCode> {
    user::check_name(&arguments.name).map_err(Usage)?;
    let source = source(arguments)?;
    let options = options(arguments)?;
    let bar = images_bar(&arguments.name, 0);
    let progress = |done: usize, total: usize| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    };
    let imported = import(&source, &arguments.data.data, &options, &RealFs, &progress);
    bar.finish_and_clear();
    let imported = imported?;
    if arguments.json {
        output::json(&imported)?;
    } else {
        print(&imported)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What a path is, by its ending.
fn source(arguments: &ImportArguments) -> anyhow::Result<Source> {
    let (path, table) = (arguments.source.clone(), &arguments.table);
    if path.is_dir() {
        return Ok(Source::Folder(path));
    }
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    match ending.as_str() {
        "csv" | "tsv" | "txt" => Ok(Source::Table(
            path,
            TableOptions {
                images: table.images.clone(),
                path_column: table.path_column.clone(),
                label_column: table.label_column.clone(),
                split_column: table.split_column.clone(),
                group_column: table.group_column.clone(),
                ending: table.extension.clone(),
                separator: table.separator.clone(),
                none: table.none.clone(),
            },
        )),
        "npz" | "npy" => Ok(Source::Arrays { images: path, labels: table.labels.clone() }),
        _ => Err(Usage(format!("`{}` is not a folder, .csv (.tsv, .txt), .npz or .npy", path.display())).into()),
    }
}

fn options(arguments: &ImportArguments) -> anyhow::Result<ImportOptions> {
    let (set, pictures) = (&arguments.set, &arguments.pictures);
    let shares: [f64; 3] = arguments
        .shares
        .clone()
        .try_into()
        .map_err(|_| Usage("--shares: give three numbers, such as 0.7,0.1,0.2".to_owned()))?;
    Ok(ImportOptions {
        name: arguments.name.clone(),
        title: set.title.clone(),
        modality: set.modality,
        kind: set.kind,
        classes: (!set.classes.is_empty()).then(|| set.classes.clone()),
        origin: set.from.clone(),
        licence: set.licence.clone(),
        sizes: pictures.size.clone(),
        fit: pictures.fit,
        filter: pictures.filter,
        colour: match pictures.colour {
            ColourArgument::Auto => Colour::Auto,
            ColourArgument::Grey => Colour::Grey,
            ColourArgument::Rgb => Colour::Rgb,
        },
        sixteen_bit: pictures.sixteen_bit,
        alpha: pictures.alpha,
        shares,
        seed: arguments.seed,
        skip_unreadable: pictures.skip_unreadable,
        overwrite: arguments.overwrite,
        max_pixels: pictures.max_pixels,
        memory_limit: pictures.memory.unwrap_or_else(|| OpenOptions::default().memory_limit),
    })
}

fn print(imported: &Imported) -> anyhow::Result<()> {
    let counts = |split: usize| imported.class_counts[split].iter().map(ToString::to_string);
    let rows: Vec<Vec<String>> = (Split::ALL.iter().enumerate())
        .map(|(index, split)| {
            let start = [split.to_string(), imported.rows[index].to_string()];
            start.into_iter().chain(counts(index)).collect()
        })
        .collect();
    let header: Vec<&str> =
        ["split", "images"].into_iter().chain(imported.classes.iter().map(String::as_str)).collect();
    output::line(&output::table(&header, &rows))?;
    output::line("")?;
    for path in imported.files.iter().chain([&imported.list, &imported.entry]) {
        output::line(&path.display().to_string())?;
    }
    if !imported.skipped.is_empty() {
        let pictures = plural(imported.skipped.len(), "picture");
        output::note(&format!("warning: {pictures} could not be read and were skipped:"));
        for skipped in imported.skipped.iter().take(SHOWN) {
            output::note(&format!("  {skipped}"));
        }
    }
    for taken in &imported.notes {
        output::note(&format!("note: {taken}"));
    }
    for remark in &imported.remarks {
        output::note(&format!("warning: {remark}"));
    }
    for names in &imported.duplicates.examples {
        output::note(&format!("  {}", names.join(" = ")));
    }
    output::line(&format!("\nTrain on it: tasks = [\"{}\"]", imported.name))
}
