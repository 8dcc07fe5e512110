//! `medley runs export`.

use std::process::ExitCode;

use medley_core::RunLayout;
use medley_core::text::plural;
use medley_mlflow::{Credentials, Exported, LoggedRun, Server, ServerOptions, export};

use crate::args::runs::ExportRunsArguments;
use crate::output;

pub(super) fn run(arguments: &ExportRunsArguments) -> anyhow::Result<ExitCode> {
    let options = ServerOptions { credentials: credentials(), ..ServerOptions::default() };
    let server = Server::new(&arguments.mlflow, options)?;
    let mut exported = Vec::new();
    let mut export_all = || -> anyhow::Result<()> {
        for path in &arguments.runs {
            let run = LoggedRun::read(&RunLayout::new(path))?;
            let one = export(&run, &server, &arguments.experiment)?;
            if !arguments.json {
                output::line(&text(&one, run.artifacts.len()))?;
            }
            exported.push(one);
        }
        Ok(())
    };
    let done = export_all();
    if arguments.json {
        output::json(&exported)?;
    }
    done.map(|()| ExitCode::SUCCESS)
}

fn text(one: &Exported, files: usize) -> String {
    let seeds = match one.seeds {
        0 => String::new(),
        count => format!(" of {}", plural(count, "seed")),
    };
    let what = if one.known { "logged again" } else { "logged" };
    let artifacts = match one.artifacts {
        sent if sent == files => plural(sent, "artifact"),
        _ => "no artifacts, as this server's store is not behind HTTP".to_owned(),
    };
    format!("{}: {what}, {}{seeds}, {artifacts}\n  {}", one.run, plural(one.values, "value"), one.page)
}

/// As MLflow's own clients take them from the environment.
fn credentials() -> Option<Credentials> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    if let Some(user) = set("MLFLOW_TRACKING_USERNAME") {
        let password = set("MLFLOW_TRACKING_PASSWORD").unwrap_or_default();
        return Some(Credentials::Basic { user, password });
    }
    set("MLFLOW_TRACKING_TOKEN").map(Credentials::Token)
}
