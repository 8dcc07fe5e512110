use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use medley_core::text::{count, plural};
use medley_runs::{Filter, ListOptions, Overview, SortKey, State, TestScore, list, sort};
use medley_storage::Shown;

use super::columns::{self, Column};
use super::{NONE, mean, minute, validation, validation_at};
use crate::args::runs::{ListArguments, SortArgument, StateArgument};
use crate::output;

pub(super) fn run(arguments: &ListArguments) -> anyhow::Result<ExitCode> {
    let by_default = [Path::new("runs").to_owned()];
    if arguments.folders == by_default && !by_default[0].exists() {
        return print(arguments, Vec::new(), 0);
    }
    let sizes = arguments.size || arguments.sort == SortArgument::Size;
    let mut runs = list(&arguments.folders, ListOptions { sizes })?.runs;
    let all = runs.len();
    let filter = filter(arguments);
    runs.retain(|run| filter.admits(run));
    sort(&mut runs, key(arguments.sort), arguments.reverse);
    runs.truncate(arguments.limit.unwrap_or(usize::MAX));
    if arguments.sort == SortArgument::Score {
        output::note(
            "warning: choosing a run by its score on the test split is selection on the test split: use --sort val",
        );
    }
    print(arguments, runs, all)
}

fn filter(arguments: &ListArguments) -> Filter {
    let state = |state: &StateArgument| match state {
        StateArgument::Finished => State::Finished,
        StateArgument::Running => State::Running,
        StateArgument::Interrupted => State::Interrupted,
        StateArgument::Damaged => State::Damaged,
    };
    Filter {
        tasks: arguments.task.clone(),
        models: arguments.model.clone(),
        tags: arguments.tag.clone(),
        states: arguments.state.iter().map(state).collect(),
    }
}

fn key(sort: SortArgument) -> SortKey {
    match sort {
        SortArgument::Date => SortKey::Date,
        SortArgument::Val => SortKey::Validation,
        SortArgument::Score => SortKey::Test,
        SortArgument::Size => SortKey::Size,
        SortArgument::Name => SortKey::Name,
        SortArgument::Task => SortKey::Task,
    }
}

fn print(arguments: &ListArguments, runs: Vec<Overview>, all: usize) -> anyhow::Result<ExitCode> {
    if arguments.json {
        output::json(&runs)?;
    } else if runs.is_empty() {
        output::note(&nothing(&arguments.folders, all));
    } else {
        output::line(&text(&runs, arguments.folders.len() > 1, output::width()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn nothing(folders: &[PathBuf], all: usize) -> String {
    let folders: Vec<String> = folders.iter().map(|folder| format!("`{}`", Shown(folder))).collect();
    match all {
        0 => format!("there are no runs in {}; `medley train CONFIG` makes one", folders.join(", ")),
        all => format!("none of the {} in {} fits", plural(all, "run"), folders.join(", ")),
    }
}

/// The table, and below it what is wrong with damaged runs.
pub(super) fn text(runs: &[Overview], with_paths: bool, width: Option<usize>) -> String {
    let cells = |cell: &dyn Fn(&Overview) -> String| runs.iter().map(cell).collect::<Vec<_>>();
    let column = |title, importance, cell: &dyn Fn(&Overview) -> String| Column {
        title,
        importance,
        cells: cells(cell),
        short: None,
    };
    let some = |text: Option<String>| text.unwrap_or_else(|| NONE.to_owned());
    let created = |run: &Overview| some(run.created.as_deref().map(minute));
    let columns = vec![
        column("run", 0, &|run| name(run, with_paths)),
        Column { short: Some(cells(&|run| state(run, true))), ..column("state", 1, &|run| state(run, false)) },
        Column { short: Some(cells(&|run| tasks(run, true))), ..column("tasks", 6, &|run| tasks(run, false)) },
        column("model", 7, &|run| some(run.model.as_ref().map(ToString::to_string))),
        column("seeds", 9, &|run| run.seeds.len().to_string()),
        Column {
            short: Some(cells(&|run| some(run.validation.as_ref().map(validation)))),
            ..column("validation", 2, &|run| some(run.validation.as_ref().map(validation_at)))
        },
        column("data", 3, &|run| if run.synthetic { "SYNTHETIC".to_owned() } else { String::new() }),
        column("test", 4, &test),
        Column { short: Some(cells(&|run| created(run).chars().take(10).collect())), ..column("date", 5, &created) },
        column("size", 5, &|run| run.bytes.map_or_else(String::new, output::bytes)),
        column("tags", 8, &|run| run.tags.join(", ")),
        column("parent", 10, &|run| run.parent.clone().unwrap_or_default()),
    ];
    let mut text = columns::table(columns.into_iter().map(printable).collect(), width);
    for run in runs {
        if let Some(problem) = &run.problem {
            let _ = write!(text, "\n{} `{}`: {problem}", mark(run), Shown(&run.path));
        }
    }
    text
}

/// Escapes what a terminal would obey, before its width is measured.
fn printable(column: Column) -> Column {
    let escaped = |cells: Vec<String>| -> Vec<String> { cells.iter().map(|cell| output::on_one_line(cell)).collect() };
    Column { cells: escaped(column.cells), short: column.short.map(escaped), ..column }
}

fn mark(run: &Overview) -> &'static str {
    if run.state == State::Damaged { "damaged" } else { "problem" }
}

fn name(run: &Overview, with_path: bool) -> String {
    if with_path { run.path.to_string_lossy().into_owned() } else { run.name.clone() }
}

/// `interrupted, seed 2 of 3 at epoch 5 of 12`; seeds are trained one after another.
fn state(run: &Overview, short: bool) -> String {
    let word = run.state.as_str();
    let open = run.seeds.iter().position(|seed| !seed.finished);
    let Some((index, epochs)) = open.and_then(|index| Some((index, run.seeds[index].epochs?))) else {
        return word.to_owned();
    };
    if run.state == State::Damaged {
        return word.to_owned();
    }
    let total = run.epochs.map_or_else(|| "?".to_owned(), |epochs| count(epochs as u64));
    let (seeds, number, epochs) = (run.seeds.len(), index + 1, count(epochs as u64));
    match (short, seeds) {
        (true, 1) => format!("{word} {epochs}/{total}"),
        (true, _) => format!("{word} {number}/{seeds} {epochs}/{total}"),
        (false, 1) => format!("{word}, epoch {epochs} of {total}"),
        (false, _) => format!("{word}, seed {number} of {seeds} at epoch {epochs} of {total}"),
    }
}

fn tasks(run: &Overview, short: bool) -> String {
    match run.tasks.as_slice() {
        [] => NONE.to_owned(),
        [first, second, rest @ ..] if short => format!("{first} +{}", rest.len() + usize::from(!second.is_empty())),
        names => names.join(", "),
    }
}

fn test(run: &Overview) -> String {
    match &run.test {
        TestScore::Scored(score) => mean(score),
        TestScore::Opened => "incomplete".to_owned(),
        TestScore::NotOpened => "not opened".to_owned(),
        TestScore::Unknown => NONE.to_owned(),
    }
}
