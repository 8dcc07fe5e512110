//! `medley data datasheet`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::args::{DataFolder, Reading};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  medley data datasheet breastmnist                Markdown on standard output
  medley data datasheet data/*.npz --format html --out sheets")]
pub struct DatasheetArguments {
    /// Names of sets in the data folder, or files
    #[arg(required = true)]
    pub sets: Vec<PathBuf>,
    #[command(flatten)]
    pub data: DataFolder,
    #[command(flatten)]
    pub reading: Reading,
    /// Folder for the datasheets, one file per set; without it the text goes to standard output
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Replace datasheets that are there, with what was written into them
    #[arg(long, requires = "out")]
    pub overwrite: bool,
    /// Format
    #[arg(long, value_enum, default_value_t = Format::Markdown)]
    pub format: Format,
    /// Include the test labels, which are sealed otherwise
    #[arg(long)]
    pub open_test_labels: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Markdown, with tables as on GitHub
    Markdown,
    /// A self-contained page
    Html,
}
