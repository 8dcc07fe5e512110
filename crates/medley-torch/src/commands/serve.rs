//! `medley serve`.

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use medley_cli::args::serve::ServeArguments;
use medley_cli::failure::Code;
use medley_cli::output;
use medley_package::{Classifier, NOTICE};
use medley_predict::ComputeOptions;
use medley_serve::{Batching, Limits, ServeOptions, Server, Stop};

use super::bundle;

pub(crate) fn run(arguments: &ServeArguments) -> anyhow::Result<ExitCode> {
    let options = options(arguments);
    // Before any network is loaded.
    options.check()?;
    let mut classifiers = Vec::new();
    for path in &arguments.models {
        load(path, arguments, &mut classifiers)?;
    }
    let names: Vec<String> = classifiers.iter().map(|classifier| classifier.model().name().to_owned()).collect();
    let bound = Server::new(classifiers, options)?.bind(SocketAddr::new(arguments.host, arguments.port))?;
    let stop = Stop::default();
    bound.stop_at_signals(stop.clone())?;
    output::note(&format!("serving {}; Ctrl-C stops. {NOTICE}.", names.join(", ")));
    if !arguments.host.is_loopback() {
        output::note("warning: there is no password and no encryption; whoever reaches this address can use it");
    }
    // What scripts wait for, and read the port from.
    output::line(&format!("http://{}", bound.address()))?;
    let ended = bound.run(&stop);
    if ended.complete {
        return Ok(ExitCode::SUCCESS);
    }
    output::note("stopped before everything that had been accepted was answered");
    Ok(ExitCode::from(Code::Internal as u8))
}

/// Adds a classifier for each task.
fn load(path: &Path, arguments: &ServeArguments, classifiers: &mut Vec<Box<dyn Classifier>>) -> anyhow::Result<()> {
    let source = bundle::Source { model: path, task: None, seed: arguments.seed, data: &arguments.data };
    let bundle = bundle::open(&source)?;
    let options = ComputeOptions {
        device: Some(medley_models::device::parse(&arguments.device)?),
        threads: Some(usize::from(arguments.threads)),
    };
    for task in 0..bundle.package().models().len() {
        classifiers.push(bundle.classifier(task, options)?);
    }
    Ok(())
}

fn options(arguments: &ServeArguments) -> ServeOptions {
    let batching = Batching {
        max_batch: arguments.max_batch,
        max_delay: Duration::from_millis(arguments.max_delay_ms),
        queue: arguments.queue,
    };
    let default = Limits::default();
    let max_body = usize::try_from(arguments.max_body).unwrap_or(usize::MAX);
    let limits = Limits {
        max_body,
        bodies: default.bodies.max(max_body),
        max_pixels: arguments.max_pixels,
        connections: arguments.connections,
        ..default
    };
    ServeOptions { batching, limits }
}
