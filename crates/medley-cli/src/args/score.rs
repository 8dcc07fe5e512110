//! `medley score`.
#![allow(clippy::doc_markdown, reason = "the text is for --help")]

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use medley_core::{Split, TaskKind};

use super::RunDataFolder;

#[derive(Debug, Args)]
#[command(after_help = "What can be scored, alone or mixed:
  a run folder, or any folder of result files
  result files, such as breastmnist_test_[AUC]0.901_[ACC]0.863@run1.csv
  a submission: id,id_image_in_task,task_name,label (or id,label with --like)
  scores as CSV or .npy, one row per image, with --task

Examples:
  medley score runs/small-three-1
  medley score 'breastmnist_test_[AUC]0.901_[ACC]0.863@1.csv' --data ~/medmnist
  medley score runs/small-three-1 --published    with what others report
  medley score submission.csv --markdown
  medley score runs/four-1 runs/four-2 runs/four-3 --as-seeds four
  medley score scores.npy --task retinamnist --labels labels.npy --metrics all
  medley score runs/small-three-1 --corruptions --reference runs/resnet18-1
  medley score runs/small-three-1 --apart breastmnist=groups.csv --write
  medley score runs/small-three-1 --groups breastmnist=groups.csv

With --corruptions, the validation images of a run folder are corrupted as in MedMNIST-C: what goes wrong with images of their modality, \
in five severities. The balanced errors of the mean of its seeds are kept in robustness.json, from which tables, the chart and the report \
are made without predicting again. No test image is looked at.

The truth is read from the data folder (--data, else MEDLEY_DATA, else that of the run, else data), or from --labels. A file \
with mistakes is refused, with the numbers of its wrong lines.")]
pub struct ScoreArguments {
    /// Result files, submissions, run folders, score files
    #[arg(required = true)]
    pub predictions: Vec<PathBuf>,
    #[command(flatten)]
    pub truth: TruthArguments,
    #[command(flatten)]
    pub resampling: ResamplingArguments,
    /// Published results to show: the official ResNet-18 and the best at this image size, all, or none
    #[arg(long, value_enum, default_value = "none")]
    pub baselines: BaselinesArgument,
    /// Show all published results, as --baselines all
    #[arg(long, conflicts_with = "baselines")]
    pub published: bool,
    /// Show metrics by class, and calibration by class frequency
    #[arg(long)]
    pub details: bool,
    /// Take all predictors for seeds of one experiment of this name, as when each was trained by a job of its own: mean, deviation
    /// and interval over them. Ensembles are left out
    #[arg(long, value_name = "NAME", conflicts_with_all = ["corruptions", "write"])]
    pub as_seeds: Option<String>,
    #[command(flatten)]
    pub related: RelatedArguments,
    #[command(flatten)]
    pub drawn: GroupsArguments,
    /// Balanced errors of a run on corrupted validation images, by corruption and severity
    #[arg(
        long,
        conflicts_with_all = ["labels", "task", "kind", "like", "any_scores", "details", "published", "latex", "groups"]
    )]
    pub corruptions: bool,
    /// A run whose errors on the same images are the measure: ratios below 1 are better than it
    #[arg(long, value_name = "RUN", requires = "corruptions")]
    pub reference: Option<PathBuf>,
    /// Write the error by severity as an SVG chart
    #[arg(long, value_name = "FILE", requires = "corruptions")]
    pub svg: Option<PathBuf>,
    #[command(flatten)]
    pub output: OutputArguments,
}

/// Images that belong together.
#[derive(Debug, Args)]
pub struct RelatedArguments {
    /// Score only the test images of a task of whose group (CSV of split,index,group) there is none in another split;
    /// may be repeated
    #[arg(long, value_name = "TASK=FILE", value_parser = task_file, conflicts_with = "corruptions")]
    pub apart: Vec<(String, PathBuf)>,
    /// Keep the figures with --apart, beside those of all images, in the run folder (related.json), for its report
    #[arg(long, requires = "apart", conflicts_with = "labels")]
    pub write: bool,
}

/// What intervals and tests take for one.
#[derive(Debug, Args)]
pub struct GroupsArguments {
    /// Draw whole groups of images of a task for its intervals, as those of one patient or lesion say less than as many
    /// others (CSV of split,index,group); may be repeated
    #[arg(long, value_name = "TASK=FILE", value_parser = task_file)]
    pub groups: Vec<(String, PathBuf)>,
}

/// What the predictions are of, and the true labels.
#[derive(Debug, Args)]
pub struct TruthArguments {
    #[command(flatten)]
    pub data: RunDataFolder,
    /// Score predictions of a run against data files that are not the ones it was made with; the result says so
    #[arg(long)]
    pub allow_other_data: bool,
    /// True labels from this file instead: .npy, .npz, or CSV of index,label
    #[arg(long, value_name = "FILE")]
    pub labels: Option<PathBuf>,
    /// Task of score files whose names do not say it
    #[arg(long, value_name = "NAME")]
    pub task: Option<String>,
    /// Kind of a task outside MedMNIST; needs --labels
    #[arg(long, value_enum, requires = "labels")]
    pub kind: Option<KindArgument>,
    /// Split of score files whose names do not say it; for a folder, the split to score
    /// [default: test; with --corruptions, val, and no other]
    #[arg(long, value_enum)]
    pub split: Option<SplitArgument>,
    /// Edge length of the images in pixels, where file names do not say it
    #[arg(long, default_value_t = 28, value_name = "PIXELS")]
    pub size: usize,
    /// The competition's sample file with the ids of the submission
    #[arg(long, value_name = "SAMPLE.csv")]
    pub like: Option<PathBuf>,
    /// Accept scores that are not probabilities (logits); metrics that need probabilities are left out
    #[arg(long)]
    pub any_scores: bool,
}

#[derive(Debug, Args)]
pub struct ResamplingArguments {
    /// Metrics, separated by commas, such as auc,macro_f1; `all` for all of them
    #[arg(long, value_name = "LIST", default_value = "auc,accuracy,macro_f1", value_delimiter = ',')]
    pub metrics: Vec<String>,
    /// Number of bootstrap resamples, and of permutations
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    pub resamples: u32,
    /// Confidence level of the intervals
    #[arg(long, default_value_t = 0.95, value_parser = share)]
    pub confidence: f64,
    /// Random seed of the resampling
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
}

#[derive(Debug, Args)]
#[group(multiple = false)]
pub struct OutputArguments {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Print Markdown tables
    #[arg(long)]
    pub markdown: bool,
    /// Print LaTeX tables
    #[arg(long)]
    pub latex: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SplitArgument {
    Train,
    Val,
    Test,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BaselinesArgument {
    None,
    Best,
    All,
}

impl From<SplitArgument> for Split {
    fn from(split: SplitArgument) -> Self {
        match split {
            SplitArgument::Train => Self::Train,
            SplitArgument::Val => Self::Val,
            SplitArgument::Test => Self::Test,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KindArgument {
    Binary,
    MultiClass,
    Ordinal,
    MultiLabel,
}

impl From<KindArgument> for TaskKind {
    fn from(kind: KindArgument) -> Self {
        match kind {
            KindArgument::Binary => Self::Binary,
            KindArgument::MultiClass => Self::MultiClass,
            KindArgument::Ordinal => Self::Ordinal,
            KindArgument::MultiLabel => Self::MultiLabel,
        }
    }
}

pub(crate) fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "it is not a number".to_owned())?;
    if share > 0.0 && share < 1.0 { Ok(share) } else { Err("it must be between 0 and 1, such as 0.95".to_owned()) }
}

/// `TASK=FILE`.
fn task_file(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((task, file)) if !task.is_empty() && !file.is_empty() => Ok((task.to_owned(), PathBuf::from(file))),
        _ => Err("give the task and its file, such as breastmnist=groups.csv".to_owned()),
    }
}
