//! What may be typed; subcommands with many arguments have a file of their own.
#![allow(missing_docs, reason = "the comments are the program's help: what needs none there has none here")]

pub mod augment;
pub mod auto;
pub mod compare;
pub mod data;
pub mod decide;
pub mod ensemble;
pub mod explain;
pub mod models;
pub mod predict;
pub mod runs;
pub mod score;
pub mod serve;
pub mod study;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use medley_data::{CacheUse, OpenOptions};

use self::augment::{AugmentArguments, PreviewArguments};
use self::auto::AutoArguments;
use self::compare::CompareArguments;
use self::data::DataArguments;
use self::decide::DecideArguments;
use self::ensemble::EnsembleArguments;
use self::explain::ExplainArguments;
use self::models::ModelsArguments;
use self::predict::PredictArguments;
use self::runs::RunsArguments;
use self::score::ScoreArguments;
use self::serve::ServeArguments;
use self::study::StudyArguments;

/// Train, score and report medical-image classifiers on MedMNIST.
#[derive(Debug, Parser)]
#[command(
    name = "medley",
    // What is run may be called otherwise.
    bin_name = "medley",
    version,
    max_term_width = 100,
    after_help = "Examples:
  medley doctor                                    check this machine
  medley data fetch breastmnist                    download a data set
  medley data synth --out data                     or generate synthetic ones
  medley train configs/small-three.toml            train, score, report
  medley train configs/small-three.toml --set train.epochs=2 --set 'seeds=[0]'
  medley resume runs/small-three-1                 resume after an interruption
  medley runs list                                 list runs and their scores
  medley predict pictures --model packages/breastmnist   classify pictures
  medley serve packages/breastmnist                classify over HTTP

Exit codes: 0 done, 1 internal error, 2 usage or config, 3 data, 4 run folder, disk or memory, 5 training failed, \
130 interrupted (Ctrl-C), 143 terminated.

Medley is for research. It is not for clinical use."
)]
pub struct Arguments {
    /// Log more; repeat for debug messages
    #[arg(short, long, action = clap::ArgAction::Count, global = true, display_order = 900)]
    pub verbose: u8,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    #[command(flatten)]
    Torch(TorchCommand),
    /// Score predictions of any origin: metrics with confidence intervals, beside published results
    Score(ScoreArguments),
    /// Compare predictions image by image, with significance tests
    Compare(CompareArguments),
    /// Fit rules that decide for macro-F1 on the validation predictions of a run, and say which are worth it
    Decide(DecideArguments),
    /// Average the predictions of several runs into one predictor, and write its folder
    Ensemble(EnsembleArguments),
    /// Write the report of a run folder again, or print it in another format
    Report(ReportArguments),
    /// Write the competition's submission file of a run folder again, in another row order if asked
    Submission(SubmissionArguments),
    /// Show augmentation: transforms, policies, and the images that training sees
    #[command(display_order = 20)]
    Augment(AugmentArguments),
    /// List, show, compare, tag and remove runs
    Runs(RunsArguments),
    /// Search for good settings: many trials of an experiment, in a folder that workers share
    Study(StudyArguments),
    /// List, download, check, generate, import, export and describe data sets
    Data(DataArguments),
    /// Print a shell completion script
    #[command(
        display_order = 23,
        after_help = "Example:
  medley completions bash > medley.bash"
    )]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// What computes with libtorch, or reads a config: a network is checked by those who build it.
#[derive(Debug, Subcommand)]
pub enum TorchCommand {
    /// Train the tasks of a config, score the test split and write a run folder with a report
    Train(TrainArguments),
    /// Search, train and average within a time, without settings
    #[command(display_order = 17)]
    Auto(AutoArguments),
    /// Try rising learning rates and suggest one
    #[command(display_order = 18)]
    LrFind(LrFindArguments),
    /// Predict and score the test split of runs that were trained with --no-test
    Test(TestArguments),
    /// Resume an interrupted run; the results are bit-identical to those of an uninterrupted one
    Resume(ResumeArguments),
    /// Classify pictures with a trained network
    Predict(PredictArguments),
    /// Answer over HTTP: the Open Inference Protocol, pictures, a page to drop one on
    Serve(ServeArguments),
    /// Draw where in an image a network looks, and put errors and close calls into the report
    Explain(ExplainArguments),
    /// Check and show configs, and list their keys
    #[command(display_order = 19)]
    Config(ConfigArguments),
    /// List and describe networks, and export trained weights
    #[command(display_order = 21)]
    Models(ModelsArguments),
    /// Check this machine (versions, devices, threads, data) and suggest fixes
    #[command(display_order = 22)]
    Doctor(DoctorArguments),
    /// `medley augment preview`, which reads a config; it has no name of its own.
    #[command(skip)]
    Preview(PreviewArguments),
    /// What `medley score --corruptions` needs libtorch for; it has no name of its own.
    #[command(skip)]
    Robustness(RobustnessRequest),
}

/// A run that is to predict corrupted images.
#[derive(Debug)]
pub struct RobustnessRequest {
    /// The run folder.
    pub run: PathBuf,
    /// Its data folder, if one was named.
    pub data: RunDataFolder,
}

impl TorchCommand {
    /// Whether it computes with a network for long.
    pub fn trains(&self) -> bool {
        matches!(
            self,
            Self::Train(_) | Self::Auto(_) | Self::Test(_) | Self::Resume(_) | Self::LrFind(_) | Self::Robustness(_)
        )
    }
}

/// Where the data files lie.
#[derive(Debug, Clone, Args)]
pub struct DataFolder {
    /// Folder with the .npz files
    #[arg(long, env = "MEDLEY_DATA", default_value = "data", value_name = "DIR")]
    pub data: PathBuf,
}

/// Where the data files lie, for what is done with a run or a study: it remembers where its own were.
#[derive(Debug, Args)]
pub struct RunDataFolder {
    /// Folder with the .npz files; by default that of the run or study while it is there, else data
    #[arg(long = "data", env = "MEDLEY_DATA", value_name = "DIR")]
    pub named: Option<PathBuf>,
}

/// How much of the data files is held in memory.
#[derive(Debug, Args)]
pub struct Reading {
    /// Memory limit for one decoded file, such as 4GiB; by default half of the free memory
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub memory: Option<u64>,
    /// Folder for decoded copies of files above the limit; by default medley/data in the user's cache folder
    #[arg(long, env = "MEDLEY_CACHE", value_name = "DIR")]
    pub cache: Option<PathBuf>,
}

impl Reading {
    pub fn options(&self) -> OpenOptions {
        let default = OpenOptions::default();
        OpenOptions {
            memory_limit: self.memory.unwrap_or(default.memory_limit),
            cache: self.cache.clone().map_or(default.cache, CacheUse::WhenLarge),
        }
    }
}

/// `4GiB`, `500MB`, `1024`.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let factor: u64 = match text[digits..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        unit => return Err(format!("unknown unit {unit:?}: write 4GiB, 500MB or a number of bytes")),
    };
    let number = text[..digits].parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
    number.ok_or_else(|| "write 4GiB, 500MB or a number of bytes".to_owned())
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  medley train configs/small-three.toml --data ~/medmnist
  medley train configs/tensor-reloaded.toml --set train.epochs=1 --name first
  medley train configs/small-three.toml --from runs/small-three-1
  medley train configs/small-three.toml --set folds.count=5 --all-folds

With --tui, `e` stops after the epoch and `q` after the batch in progress; `medley resume` continues from either. \
`medley runs watch` shows the same of a run that another process trains.")]
#[allow(clippy::struct_excessive_bools, reason = "options of the command line")]
pub struct TrainArguments {
    /// The config, a TOML file
    pub config: PathBuf,
    #[command(flatten)]
    pub data: DataFolder,
    #[command(flatten)]
    pub reading: Reading,
    /// Set a key of the config, such as train.epochs=5; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Folder for run folders
    #[arg(long, default_value = "runs", value_name = "DIR")]
    pub runs: PathBuf,
    /// Name of the run folder, which must not exist yet; by default the name in the config and a number
    #[arg(long)]
    pub name: Option<String>,
    /// Train though the estimate of memory is more than is free
    #[arg(long)]
    pub allow_memory: bool,
    /// Try again how to compute fastest here, instead of taking what an earlier run found; keep nothing either
    #[arg(long)]
    pub no_cache: bool,
    /// Train one run for each fold of `folds.count`, called by the name and the fold; given again, finished ones are passed over and
    /// interrupted ones go on
    #[arg(long)]
    pub all_folds: bool,
    /// Start from the best network of this run; heads that it does not have are initialised as usual
    #[arg(long, value_name = "RUN")]
    pub from: Option<PathBuf>,
    /// With --from: start from the run's last network, and with what its optimizer and average keep
    #[arg(long, requires = "from")]
    pub with_optimizer: bool,
    /// Predict no test images and leave test labels shut; `medley test` does both later
    #[arg(long)]
    pub no_test: bool,
    /// Print the results as JSON
    #[arg(long)]
    pub json: bool,
    /// Show no progress
    #[arg(short, long)]
    pub quiet: bool,
    /// Show curves by task and the log on the whole terminal, with keys to stop
    #[arg(long, conflicts_with_all = ["quiet", "all_folds"])]
    pub tui: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  medley resume runs/small-three-1
  medley resume runs/small-three-1 --epochs 60

With --epochs, a finished run goes on in a new run folder, whose manifest names the old one. The schedule of the learning rate is that \
of all epochs: where it falls to nothing at the end, it rises again first.")]
#[allow(clippy::struct_excessive_bools, reason = "options of the command line")]
pub struct ResumeArguments {
    /// The run folder
    pub run: PathBuf,
    /// Go on with a finished run until it has this many epochs, in a new run folder
    #[arg(long, value_name = "N")]
    pub epochs: Option<usize>,
    /// With --epochs: name of the new run folder, which must not exist yet
    #[arg(long, requires = "epochs")]
    pub name: Option<String>,
    #[command(flatten)]
    pub data: RunDataFolder,
    #[command(flatten)]
    pub reading: Reading,
    /// Train though the estimate of memory is more than is free
    #[arg(long)]
    pub allow_memory: bool,
    /// Print the results as JSON
    #[arg(long)]
    pub json: bool,
    /// Show no progress
    #[arg(short, long)]
    pub quiet: bool,
    /// Show curves by task and the log on the whole terminal, with keys to stop
    #[arg(long, conflicts_with = "quiet")]
    pub tui: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  medley lr-find configs/small-three.toml
  medley lr-find configs/small-three.toml --svg rates.svg

Each step trains with the next learning rate, until the loss has risen far above its least; the schedule, the average and the validation \
have no part in it. Nothing is kept.")]
pub struct LrFindArguments {
    /// The config, a TOML file
    pub config: PathBuf,
    #[command(flatten)]
    pub data: DataFolder,
    #[command(flatten)]
    pub reading: Reading,
    /// Set a key of the config, such as optimizer.name=sgd; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// The first learning rate
    #[arg(long, default_value_t = 1e-6, value_name = "RATE")]
    pub from: f64,
    /// The last learning rate
    #[arg(long, default_value_t = 1.0, value_name = "RATE")]
    pub to: f64,
    /// Training steps
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u32).range(5..=10_000))]
    pub steps: u32,
    /// Draw the losses into this file
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Print the losses and the suggestions as JSON
    #[arg(long)]
    pub json: bool,
    /// Show no progress
    #[arg(short, long)]
    pub quiet: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  medley train configs/small-three.toml --no-test
  medley test runs/small-three-1

Test labels are opened once for each file of predictions, and the manifest of the run records when. \
A run that is already scored keeps its results.")]
pub struct TestArguments {
    /// Run folders whose training is finished
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<PathBuf>,
    #[command(flatten)]
    pub data: RunDataFolder,
    #[command(flatten)]
    pub reading: Reading,
    /// Print the results as JSON, an array with one entry per run
    #[arg(long)]
    pub json: bool,
    /// Show no progress
    #[arg(short, long)]
    pub quiet: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  medley report runs/small-three-1                   write report.html again
  medley report runs/small-three-1 --print markdown")]
pub struct ReportArguments {
    /// The run folder
    pub run: PathBuf,
    /// Print a summary in this format instead of writing report.html
    #[arg(long, value_enum)]
    pub print: Option<ReportFormat>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum ReportFormat {
    Markdown,
    Csv,
    Latex,
    ModelCard,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  medley submission runs/small-three-1
  medley submission runs/small-three-1 --order alphabetical
  medley decide runs/small-three-1 --write
  medley submission runs/small-three-1 --decide")]
pub struct SubmissionArguments {
    /// The run folder
    pub run: PathBuf,
    /// Order of the tasks
    #[arg(long, value_enum, default_value = "competition", conflicts_with = "like")]
    pub order: OrderArgument,
    /// Use the row order of this sample file
    #[arg(long, value_name = "SAMPLE.csv")]
    pub like: Option<PathBuf>,
    /// Decide by the rules of `medley decide --write` that were accepted
    #[arg(long)]
    pub decide: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum OrderArgument {
    /// path, derma, oct, pneumonia, retina, breast, blood, tissue, organa, organc, organs
    Competition,
    /// By name
    Alphabetical,
}

#[derive(Debug, Args)]
pub struct ConfigArguments {
    #[command(subcommand)]
    pub subcommand: ConfigSubcommand,
}

#[derive(Debug, Subcommand)]
pub enum ConfigSubcommand {
    /// Print the resolved config: `extends` merged, --set applied, defaults filled in
    #[command(after_help = "Example:
  medley config show configs/small-three.toml --set train.epochs=2")]
    Show {
        /// The config, a TOML file
        config: PathBuf,
        /// Set a key of the config, such as train.epochs=5; may be repeated
        #[arg(long = "set", value_name = "KEY=VALUE")]
        set: Vec<String>,
        #[command(flatten)]
        data: DataFolder,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List all config keys with type, range, default and meaning
    #[command(after_help = "Examples:
  medley config keys
  medley config keys optimizer")]
    Keys {
        /// Only keys with this prefix, such as optimizer or train.e
        prefix: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  medley doctor --data ~/medmnist
  medley doctor --recalibrate

Exit code 1 if there is a problem that keeps Medley from working.")]
pub struct DoctorArguments {
    #[command(flatten)]
    pub data: DataFolder,
    /// Forget which way to compute was found fastest for each network: the next run tries again
    #[arg(long)]
    pub recalibrate: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[cfg(test)]
mod tests {
    use clap::{Command as Clap, CommandFactory as _};

    use super::Arguments;

    fn with_subcommands(command: &Clap) -> Vec<&Clap> {
        let below = command.get_subcommands().flat_map(with_subcommands);
        std::iter::once(command).chain(below).collect()
    }

    /// The terminal breaks prose, which a line break of ours would break a second time; lines of examples are not broken.
    #[test]
    fn what_stands_below_the_options_fits_any_terminal() {
        let program = Arguments::command();
        let mut examples = 0;
        for command in with_subcommands(&program) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let lines: Vec<&str> = help.lines().collect();
            for line in lines.iter().filter(|line| line.starts_with(' ')) {
                assert!(line.chars().count() <= 80, "{}: {line}", command.get_name());
                examples += 1;
            }
            let is_prose = |line: &str| !line.is_empty() && !line.starts_with(' ');
            let broken = lines.windows(2).find(|pair| is_prose(pair[0]) && is_prose(pair[1]));
            assert!(broken.is_none(), "{}: {broken:?}", command.get_name());
        }
        assert!(examples > 50, "only {examples} lines were found: is the search blind?");
    }
}
