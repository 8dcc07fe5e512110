//! `medley serve`.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{RunDataFolder, size};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  medley serve breastmnist                     answer at http://127.0.0.1:8080
  medley serve runs/small-three-1
  medley serve packages/breastmnist packages/retinamnist --port 9000

Then, from another terminal:
  curl --data-binary @picture.png http://127.0.0.1:8080/predict
  curl http://127.0.0.1:8080/openapi.json

The Open Inference Protocol is under /v2, metrics for Prometheus are at /metrics, and a page to drop a picture on is at /. There is no \
password and no encryption: by default only programs of this machine can connect, and --host 0.0.0.0 lets in whoever reaches it.

SIGINT (Ctrl-C) and SIGTERM stop it: nothing more is accepted, what was accepted is answered, and the exit code is 0. The second signal, \
but for a SIGTERM within two seconds of another, ends it at once, with exit code 1 if something was lost.")]
pub struct ServeArguments {
    /// Run folders, packages that `medley models export RUN --to DIR` wrote, or built-in models of `medley models list`; every task is
    /// a model of its own
    #[arg(required = true, value_name = "MODEL")]
    pub models: Vec<PathBuf>,
    /// Address to listen at; 0.0.0.0 for all of this machine
    #[arg(long, default_value = "127.0.0.1", value_name = "ADDRESS")]
    pub host: IpAddr,
    /// Port to listen at; 0 for any that is free
    #[arg(long, default_value_t = 8080)]
    pub port: u16,
    /// Most images of a batch
    #[arg(long, default_value_t = 64, value_name = "IMAGES")]
    pub max_batch: usize,
    /// Most milliseconds for which the first image of a batch waits for others
    #[arg(long, default_value_t = 2, value_name = "MS")]
    pub max_delay_ms: u64,
    /// Most images that wait for a model; what comes beyond is refused with 429
    #[arg(long, default_value_t = 1024, value_name = "IMAGES")]
    pub queue: usize,
    /// Most bytes of a body, such as 8MiB; beyond, 413
    #[arg(long, default_value = "32MiB", value_name = "SIZE", value_parser = size)]
    pub max_body: u64,
    /// Most pixels of a picture; beyond, 413
    #[arg(long, default_value_t = 1 << 26, value_name = "PIXELS")]
    pub max_pixels: u64,
    /// Most open connections
    #[arg(long, default_value_t = 1024, value_name = "CONNECTIONS")]
    pub connections: usize,
    /// Seed of a run; by default the best on validation
    #[arg(long)]
    pub seed: Option<u64>,
    /// cpu or cuda:0
    #[arg(long, default_value = "cpu")]
    pub device: String,
    /// Threads of each network; the answers of the run itself, to the last bit, need as many as it had
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: u16,
    /// Networks of each model that compute at the same time, each with memory of its own; by default the
    /// cores divided by --threads and the models, at most 8
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub workers: Option<u16>,
    #[command(flatten)]
    pub data: RunDataFolder,
    /// Form of the log on standard error
    #[arg(long, value_enum, default_value_t = LogForm::Text)]
    pub log: LogForm,
}

/// How lines of the log look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogForm {
    /// For people
    Text,
    /// One JSON object on each line
    Json,
}
