//! `medley runs`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::RunDataFolder;

#[derive(Debug, Args)]
pub struct RunsArguments {
    #[command(subcommand)]
    pub subcommand: RunsSubcommand,
}

#[derive(Debug, Subcommand)]
pub enum RunsSubcommand {
    /// List runs: state, tasks, model, seeds, scores, date, size and tags
    List(ListArguments),
    /// Show a run at a glance: config, data, environment, seeds, scores, checkpoints
    Show(ShowArguments),
    /// Watch a run that another process trains: curves by task and the log on the whole terminal
    Watch(WatchArguments),
    /// Compare runs: what differs in config, environment and data, and their scores side by side
    Diff(DiffArguments),
    /// Compare joint training with training alone, task by task and seed by seed, on validation images
    Transfer(TransferArguments),
    /// Log runs to an MLflow server: curves, scores, config, report
    Export(ExportRunsArguments),
    /// Tag runs, and note something of them
    Tag(TagArguments),
    /// Remove run folders, or the checkpoints that finished runs no longer need
    Rm(RemoveArguments),
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  medley runs list
  medley runs list --sort val --limit 10
  medley runs list runs --task breastmnist --state finished --state running
  medley runs list --sort size --json

Repeated options of one kind are alternatives; options of different kinds must all fit. On a terminal, columns that \
find no room are left out; elsewhere every line is whole. What is wrong with damaged runs stands below the table.")]
#[allow(clippy::struct_excessive_bools, reason = "options of the command line")]
pub struct ListArguments {
    /// Folders of runs, or runs
    #[arg(default_value = "runs", value_name = "DIR")]
    pub folders: Vec<PathBuf>,
    /// What to sort by
    #[arg(long, value_enum, default_value = "date", value_name = "KEY")]
    pub sort: SortArgument,
    /// Reverse the order
    #[arg(long)]
    pub reverse: bool,
    /// Only runs with this task; may be repeated
    #[arg(long, value_name = "NAME")]
    pub task: Vec<String>,
    /// Only runs with this network, such as resnet9; may be repeated
    #[arg(long, value_name = "NAME")]
    pub model: Vec<String>,
    /// Only runs with this tag; may be repeated
    #[arg(long, value_name = "TAG")]
    pub tag: Vec<String>,
    /// Only runs in this state; may be repeated
    #[arg(long, value_enum, value_name = "STATE")]
    pub state: Vec<StateArgument>,
    /// At most so many runs
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Add up the sizes of all files of each run, which takes twice the time
    #[arg(long)]
    pub size: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  medley runs export runs/small-three-1 --mlflow http://127.0.0.1:5000
  medley runs export runs/* --mlflow http://127.0.0.1:5000 --experiment ablation

A run is logged when this command is given, and not while it trains: no run waits for a server or fails with one. Logged again, it is found, \
and nothing is there twice. Each seed is an MLflow run; those of one run stand below it. `mlflow server --port 5000` starts a server. \
MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, are sent if they are set.")]
pub struct ExportRunsArguments {
    /// Run folders
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<PathBuf>,
    /// Address of the MLflow server
    #[arg(long, env = "MLFLOW_TRACKING_URI", hide_env_values = true, value_name = "URL")]
    pub mlflow: String,
    /// Name of the MLflow experiment, which is made if there is none
    #[arg(long, default_value = "medley", value_name = "NAME")]
    pub experiment: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SortArgument {
    /// The newest first
    Date,
    /// The best on validation first
    Val,
    /// The best on the test split first: choosing by it is selection on the test split
    Score,
    /// The largest first
    Size,
    /// By name
    Name,
    /// By the names of the tasks
    Task,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StateArgument {
    /// All seeds are trained
    Finished,
    /// A process trains or tests it
    Running,
    /// Something is left to be trained, and no process does it
    Interrupted,
    /// A file cannot be used
    Damaged,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  medley runs show runs/small-three-1
  medley runs show runs/small-three-1 --json")]
pub struct ShowArguments {
    /// The run folder
    pub run: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  medley runs watch runs/small-three-1
  medley runs watch runs/small-three-1 --once    the screen as text, and end

Up and down choose a task, l its loss, q closes; the run goes on. `medley train --tui` shows the same of the run \
that it trains.")]
pub struct WatchArguments {
    /// The run folder
    pub run: PathBuf,
    /// Print what there is now, 100 columns wide, and end
    #[arg(long)]
    pub once: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  medley runs transfer runs/joint-1 runs/breast-1 runs/retina-1
  medley runs transfer runs/joint-1 runs/breast-1 --html transfer.html

Every task of the other runs that the joint run has too is compared, by the seeds that both have, on the same validation images: the mean \
difference, its paired bootstrap interval over the images, and its standard deviation over the seeds. A fair comparison has equal steps; \
where they differ, the report says so. No test label is needed.")]
pub struct TransferArguments {
    /// The run of several tasks
    pub joint: PathBuf,
    /// Runs of its tasks alone, or of fewer of them
    #[arg(required = true, value_name = "ALONE")]
    pub alone: Vec<PathBuf>,
    #[command(flatten)]
    pub data: RunDataFolder,
    /// Number of bootstrap resamples
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    pub resamples: u32,
    /// Write a page of its own
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Print Markdown tables
    #[arg(long, conflicts_with = "json")]
    pub markdown: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:
  medley runs diff runs/resnet9-1 runs/resnet18-1

Metrics are means over the seeds, and differences are to the first run. Those of the test split are shown only if \
every run has opened it. Whether a difference is more than chance says `medley compare`, image by image.")]
pub struct DiffArguments {
    /// Run folders: two or more
    #[arg(required = true, num_args = 2.., value_name = "RUN")]
    pub runs: Vec<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  medley runs tag runs/small-three-1 baseline --note \"the first that learns\"
  medley runs tag runs/small-three-1 --remove baseline
  medley runs tag runs/small-three-1                  show its tags

A run may be tagged while it is trained.")]
pub struct TagArguments {
    /// The run folder
    pub run: PathBuf,
    /// Tags to add: letters, digits, `-`, `_` and `.`
    #[arg(value_name = "TAG")]
    pub tags: Vec<String>,
    /// Remove a tag; may be repeated
    #[arg(long, value_name = "TAG")]
    pub remove: Vec<String>,
    /// Note a sentence or two, in place of the old note; an empty text removes it
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  medley runs rm runs/old-1 --yes
  medley runs rm runs/old-2 --checkpoints --yes

With --checkpoints, a run keeps its results and its best weights: it can still be reported, scored, compared and \
exported. What is removed is the last state of each seed with its optimizer, so no training can continue from it any \
more. The run must be finished and its test split scored, as `medley resume` and `medley test` need the rest.")]
pub struct RemoveArguments {
    /// Run folders
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<PathBuf>,
    /// Remove only the checkpoints that training would continue from, and keep the runs
    #[arg(long)]
    pub checkpoints: bool,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
}
