use std::process::ExitCode;

use medley_models::backbones;
use serde::Serialize;

use crate::args::{ModelsArguments, ModelsVerb};
use crate::output;

/// A line of the list.
#[derive(Debug, Serialize)]
struct Listed {
    name: &'static str,
    width: Option<i64>,
    smallest_input: i64,
    batch_norm: bool,
    summary: &'static str,
}

pub(crate) fn run(arguments: &ModelsArguments) -> anyhow::Result<ExitCode> {
    let ModelsVerb::List { json } = arguments.verb;
    let listed: Vec<Listed> = backbones::all()
        .iter()
        .map(|entry| Listed {
            name: entry.name,
            width: entry.width,
            smallest_input: entry.smallest_input,
            batch_norm: entry.batch_norm,
            summary: entry.summary,
        })
        .collect();
    if json {
        output::json(&listed)?;
    } else {
        let rows: Vec<Vec<String>> = listed
            .iter()
            .map(|model| {
                let width = model.width.map_or_else(|| "-".to_owned(), |width| width.to_string());
                vec![model.name.to_owned(), width, model.smallest_input.to_string(), model.summary.to_owned()]
            })
            .collect();
        output::line(&output::table(&["name", "width", "smallest input", "what"], &rows))?;
        output::line("\nIn a config: [net] backbone = { name = \"resnet9\", width = 32 }")?;
    }
    Ok(ExitCode::SUCCESS)
}
