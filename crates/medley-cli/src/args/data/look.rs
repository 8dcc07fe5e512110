//! `medley data info`, `verify`, `stats`, `audit` and `clean`.

use std::path::PathBuf;

use clap::Args;

use crate::args::{DataFolder, Reading};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  medley data info breastmnist --data ~/medmnist
  medley data info download-3.npz         which set, which release
  medley data info data/*.npz --json")]
pub struct InfoArguments {
    /// Files, whatever they are called, or names of sets in the data folder (pathmnist, pathmnist_64)
    #[arg(required = true)]
    pub sets: Vec<PathBuf>,
    #[command(flatten)]
    pub data: DataFolder,
    #[command(flatten)]
    pub reading: Reading,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  medley data verify                       every known file in the data folder
  medley data verify breastmnist pathmnist_64 --data ~/medmnist

Exit code 3 if a file is damaged, or is neither a published file nor as it was imported.")]
pub struct VerifyArguments {
    /// Names of sets in the data folder (pathmnist, pathmnist_64), or files; by default all known files there
    pub sets: Vec<PathBuf>,
    #[command(flatten)]
    pub data: DataFolder,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  medley data stats breastmnist --data ~/medmnist
  medley data stats data/pathmnist_64.npz --json")]
pub struct StatsArguments {
    /// Names of sets in the data folder, or files
    #[arg(required = true)]
    pub sets: Vec<PathBuf>,
    #[command(flatten)]
    pub data: DataFolder,
    #[command(flatten)]
    pub reading: Reading,
    /// Include the test labels, which are sealed otherwise
    #[arg(long)]
    pub open_test_labels: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  medley data audit pneumoniamnist --data ~/medmnist
  medley data audit organamnist organcmnist organsmnist   across views too
  medley data audit data/mine.npz --near 0.98 --all
  medley data audit breastmnist --groups groups.csv

A file of --groups keeps images that are nearly equal in one fold: --set 'folds.groups={ breastmnist = \"groups.csv\" }'.")]
pub struct AuditArguments {
    /// Names of sets in the data folder (pathmnist, pathmnist_64), or files; several are also compared with each other
    #[arg(required = true)]
    pub sets: Vec<PathBuf>,
    #[command(flatten)]
    pub data: DataFolder,
    #[command(flatten)]
    pub reading: Reading,
    /// Correlation above which two images are near duplicates, 0 to 1; `off` skips the search
    #[arg(long, value_name = "CORRELATION", default_value = "0.995", value_parser = near)]
    pub near: Near,
    /// An image with a range of fewer grey levels (of 256) than this is blank
    #[arg(long, value_name = "LEVELS", default_value_t = 8)]
    pub blank_levels: u8,
    /// Include the test labels, which are sealed otherwise
    #[arg(long)]
    pub open_test_labels: bool,
    /// Write a CSV file (split,index,group) in which equal and nearly equal images of the first set have one group, for folds.groups
    #[arg(long, value_name = "FILE")]
    pub groups: Option<PathBuf>,
    /// Print all findings, not only the first ten of each kind
    #[arg(long)]
    pub all: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// A threshold, or none.
#[derive(Debug, Clone, Copy)]
pub struct Near(pub Option<f64>);

fn near(text: &str) -> Result<Near, String> {
    if text == "off" {
        return Ok(Near(None));
    }
    match text.parse::<f64>() {
        Ok(number) if number > 0.0 && number <= 1.0 => Ok(Near(Some(number))),
        _ => Err("must be a correlation above 0 and at most 1, or `off`".to_owned()),
    }
}

#[derive(Debug, Args)]
#[command(after_help = "Example:
  medley data clean --dry-run")]
pub struct CleanArguments {
    /// Folder of the decoded copies; by default medley/data in the user's cache folder
    #[arg(long, env = "MEDLEY_CACHE", value_name = "DIR")]
    pub cache: Option<PathBuf>,
    /// List the files, but do not remove them
    #[arg(long)]
    pub dry_run: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
