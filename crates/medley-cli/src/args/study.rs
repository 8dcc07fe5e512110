//! `medley study`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use medley_core::text::parse_duration;
use medley_studies::slurm::{check_option, parse_time};

use super::{Reading, RunDataFolder};

#[derive(Debug, Args)]
pub struct StudyArguments {
    #[command(subcommand)]
    pub subcommand: StudySubcommand,
}

#[derive(Debug, Subcommand)]
pub enum StudySubcommand {
    #[command(flatten)]
    Torch(TorchStudy),
    /// Show how far a study is: trials, best settings, time
    Status(StudyFolder),
    /// Show the best trial; with --config, its experiment for `medley train`
    Best(BestArguments),
    /// Show a trial: what it tried, what it reported, where its runs are
    Show(ShowTrialArguments),
    /// Write the report of a study: history, importances, slices, parallel coordinates, trials
    #[command(visible_alias = "plot")]
    Report(ReportStudyArguments),
    /// Export a study for Optuna and its dashboard
    Export(ExportStudyArguments),
    /// Let a Slurm cluster work on a study: an array of jobs, and one that ends it
    Slurm(SlurmArguments),
    /// Stop a study: its workers put their trials back after the epoch in progress, and end
    Stop(StopArguments),
    /// Allow a study more trials or more time
    Extend(ExtendArguments),
}

/// What trains.
#[derive(Debug, Subcommand)]
pub enum TorchStudy {
    /// Begin a study from its TOML file, or continue it, and work on it here
    Run(RunStudyArguments),
    /// Work on a study that was begun, beside any other workers
    Work(WorkArguments),
    /// Run the best trials and the base experiment on fresh seeds, and say whether the search found more than chance
    Confirm(ConfirmArguments),
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  medley study run study.toml
  medley study run study.toml --name second --workers 2
  medley study run study.toml --name third --workers 0   begin it alone
  medley study run studies/study                         continue it

The file names a base experiment, a budget, and what is searched:

    [budget]
    trials = 12                   # and time = \"30min\", of all workers together
    [objective]
    base = \"config.toml\"
    [pruner]
    name = \"asha\"                 # median, halving, hyperband, patience
    last = 27                     # train.epochs
    [space]
    \"optimizer.learning_rate\" = { log = [1e-4, 3e-2] }
    \"net.dropout\" = { uniform = [0.0, 0.5] }

The test split stays shut. With one worker, the same study has the same trials and values, however often it was interrupted; \
given again, the command continues. Each worker is a process with one core, unless the base sets train.threads.")]
pub struct RunStudyArguments {
    /// The study: a TOML file, or the folder of one that was begun
    pub file: PathBuf,
    #[command(flatten)]
    pub data: RunDataFolder,
    #[command(flatten)]
    pub reading: Reading,
    /// Folder for studies
    #[arg(long, default_value = "studies", value_name = "DIR")]
    pub studies: PathBuf,
    /// Name of the study; by default that of the file
    #[arg(long)]
    pub name: Option<String>,
    /// Workers, each a process of its own; 0 begins a study on which others work
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=512))]
    pub workers: u16,
    /// Print the status as JSON at the end
    #[arg(long)]
    pub json: bool,
    /// Show no progress
    #[arg(short, long)]
    pub quiet: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:
  medley study work studies/study

Any number of workers may work on a study, on any number of machines that share its folder. A worker that is killed loses \
nothing: another one continues its trial from the last checkpoint. SIGTERM or Ctrl-C end a worker after the batch in progress: it \
writes a checkpoint, puts its trial back for anyone, and ends with exit code 143 (130 after Ctrl-C). A scheduler that starts it \
again after 143 loses nothing; `medley study slurm` writes scripts that do.")]
pub struct WorkArguments {
    /// The folder of the study
    pub study: PathBuf,
    #[command(flatten)]
    pub data: RunDataFolder,
    #[command(flatten)]
    pub reading: Reading,
    /// End when there is nothing to take, though trials of other workers go on
    #[arg(long)]
    pub no_wait: bool,
    /// Print the status as JSON at the end
    #[arg(long)]
    pub json: bool,
    /// Show no progress
    #[arg(short, long)]
    pub quiet: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  medley study status studies/study
  medley study status studies/study --json")]
pub struct StudyFolder {
    /// The folder of the study
    pub study: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  medley study best studies/study
  medley study best studies/study --config > best.toml

The value of the best of many trials is optimistic, most of all on small validation splits: `medley study confirm` runs it on \
fresh seeds.")]
pub struct BestArguments {
    /// The folder of the study
    pub study: PathBuf,
    /// Print its experiment: a config with all keys, with the name and the seeds of the base
    #[arg(long, conflicts_with = "json")]
    pub config: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  medley study confirm studies/study
  medley study confirm studies/study --seeds 6 --top 1

Given again, finished runs are taken as they are; with more seeds, only the new ones are trained. The validation images are those \
that the search has seen: the test split stays shut until `medley test` scores a run.")]
pub struct ConfirmArguments {
    /// The folder of the study
    pub study: PathBuf,
    #[command(flatten)]
    pub data: RunDataFolder,
    #[command(flatten)]
    pub reading: Reading,
    /// Fresh seeds; of a study of folds, fresh ways to split
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub seeds: u16,
    /// Trials that are run again: the winner and the next best
    #[arg(long, default_value_t = 2, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=100))]
    pub top: u16,
    /// Do nothing, with exit code 2, while the study has trials left
    #[arg(long)]
    pub complete: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Show no progress
    #[arg(short, long)]
    pub quiet: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  medley study report studies/study
  medley study plot studies/study

Writes report.html into the folder of the study: one file that needs nothing else. The same folder gives the same page.")]
pub struct ReportStudyArguments {
    /// The folder of the study
    pub study: PathBuf,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:
  medley study export studies/study --optuna study.log

In Python: optuna.load_study(study_name=\"study\", storage=JournalStorage(JournalFileBackend(\"study.log\"))). The file must not \
exist yet.")]
pub struct ExportStudyArguments {
    /// The folder of the study
    pub study: PathBuf,
    /// The journal file to write
    #[arg(long, value_name = "FILE")]
    pub optuna: PathBuf,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:
  medley study show studies/study 0")]
pub struct ShowTrialArguments {
    /// The folder of the study
    pub study: PathBuf,
    /// The number of the trial
    pub trial: u64,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  medley study slurm studies/study --array 40 --time 4h --dry-run
  medley study slurm studies/study --array 8 --per-node 4 --time 1-12 --dry-run

It trains nothing here: it writes two batch scripts into a folder of the study and submits them. The study has been begun before, \
by `medley study run study.toml --workers 0`. Each job of the array is on one node, with --per-node workers; the folder \
of the study, the data and this program have to be there under the same paths.

Before its time limit a job has SIGTERM from Slurm. Its workers then write checkpoints and put their trials back, and the job goes \
back into the queue by itself; a job that was cancelled does not. When all jobs have ended, one more runs the best settings on \
fresh seeds (`medley study confirm`) and writes the report. `medley study stop` ends all workers, `scancel` some; the same \
command again sends more, also while others work. What stands after `--` is for sbatch: `-- --partition=cpu`.")]
pub struct SlurmArguments {
    /// The folder of the study
    pub study: PathBuf,
    /// Jobs
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub array: u32,
    /// Jobs at the same time; by default all
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub at_once: Option<u32>,
    /// Workers in each job, each with as many cores as the base experiment has threads
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=512))]
    pub per_node: u32,
    /// Time limit of each job: 4h, 90min, or as Slurm has it: 4:00:00, 1-12:00:00
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub time: Duration,
    /// Fresh seeds of the last job; 0 for the report alone
    #[arg(long, default_value_t = 5, value_name = "SEEDS", value_parser = clap::value_parser!(u32).range(0..=1_000))]
    pub confirm: u32,
    #[command(flatten)]
    pub data: RunDataFolder,
    /// Print the scripts; write and submit nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Print the numbers of the jobs as JSON
    #[arg(long, conflicts_with = "dry_run")]
    pub json: bool,
    /// More options of sbatch, after `--`
    #[arg(last = true, value_name = "OPTION", value_parser = sbatch_option)]
    pub options: Vec<String>,
}

fn sbatch_option(text: &str) -> Result<String, String> {
    check_option(text).map(|()| text.to_owned())
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  medley study stop studies/study
  medley study stop studies/study --undo              let it be continued

`medley study run` with its file continues a stopped study, too.")]
pub struct StopArguments {
    /// The folder of the study
    pub study: PathBuf,
    /// Let it be continued
    #[arg(long)]
    pub undo: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  medley study extend studies/study --trials 10
  medley study extend studies/study --time 30min

Workers that are at work see it; else `medley study run` or `medley study work` continues.")]
pub struct ExtendArguments {
    /// The folder of the study
    pub study: PathBuf,
    /// So many more trials
    #[arg(long, value_name = "N", required_unless_present = "time", value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub trials: Option<u64>,
    /// So much more time of all workers together, such as 30min
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub time: Option<Duration>,
}
