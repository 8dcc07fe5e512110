//! `medley serve`.

mod explainer;

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use medley_cli::args::serve::ServeArguments;
use medley_cli::failure::Code;
use medley_cli::output;
use medley_package::NOTICE;
use medley_predict::{ComputeOptions, Predictor};
use medley_serve::{Batching, Hosted, Limits, ServeOptions, Server, Stop};

use self::explainer::TorchExplainer;
use super::bundle;

/// More networks of one model than this there are only if they are asked for.
const MOST_WORKERS: usize = 8;

pub(crate) fn run(arguments: &ServeArguments) -> anyhow::Result<ExitCode> {
    let options = options(arguments);
    // Before any network is loaded.
    options.check()?;
    let predictors = arguments.models.iter().map(|path| open(path, arguments)).collect::<anyhow::Result<Vec<_>>>()?;
    let names: Vec<String> = models(&predictors).map(|(predictor, task)| name(predictor, task)).collect();
    let workers = workers(arguments, names.len());
    let hosted = models(&predictors).map(|(predictor, task)| host(predictor, task, workers, arguments));
    let bound = Server::hosting(hosted.collect::<anyhow::Result<_>>()?, options)?
        .bind(SocketAddr::new(arguments.host, arguments.port))?;
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

fn open(path: &Path, arguments: &ServeArguments) -> anyhow::Result<Predictor> {
    bundle::open(&bundle::Source { model: path, task: None, seed: arguments.seed, data: &arguments.data })
}

/// Every task is a model of its own.
fn models(predictors: &[Predictor]) -> impl Iterator<Item = (&Predictor, usize)> {
    predictors.iter().flat_map(|predictor| (0..predictor.package().models().len()).map(move |task| (predictor, task)))
}

fn name(predictor: &Predictor, task: usize) -> String {
    predictor.package().models()[task].name().to_owned()
}

/// Networks of each model that compute at the same time: those that were asked for, else as many as keep the cores busy.
fn workers(arguments: &ServeArguments, models: usize) -> usize {
    arguments.workers.map_or_else(
        || {
            let cores = thread::available_parallelism().map_or(1, usize::from);
            let on_cpu = arguments.device.trim().eq_ignore_ascii_case("cpu");
            let fair = cores / (usize::from(arguments.threads) * models.max(1));
            if on_cpu { fair.clamp(1, MOST_WORKERS) } else { 1 }
        },
        usize::from,
    )
}

fn host(predictor: &Predictor, task: usize, workers: usize, arguments: &ServeArguments) -> anyhow::Result<Hosted> {
    let options = ComputeOptions {
        device: Some(medley_models::device::parse(&arguments.device)?),
        threads: Some(usize::from(arguments.threads)),
    };
    let mut hosted = Hosted::new(predictor.classifier(task, options)?);
    for _ in 1..workers {
        hosted = hosted.with_replica(predictor.classifier(task, options)?);
    }
    match predictor {
        Predictor::One(bundle) => {
            Ok(hosted.with_explainer(Box::new(TorchExplainer::start(bundle.as_ref().clone(), task)?)))
        }
        // A map is of one network.
        Predictor::Mean(_) => Ok(hosted),
    }
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
