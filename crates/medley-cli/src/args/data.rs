//! `medley data`.
#![allow(clippy::doc_markdown, reason = "the text is for --help")]

pub mod datasheet;
pub mod fetch;
pub mod images;
pub mod look;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::DataFolder;

#[derive(Debug, Args)]
pub struct DataArguments {
    #[command(subcommand)]
    pub subcommand: DataSubcommand,
}

#[derive(Debug, Subcommand)]
pub enum DataSubcommand {
    /// List all known data sets, and which are in the data folder
    #[command(after_help = "Example:
  medley data list --data ~/medmnist")]
    List {
        #[command(flatten)]
        data: DataFolder,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Describe a file by its content: set, size, release, rows, classes, licence, and differences
    Info(look::InfoArguments),
    /// Show class balance, means, standard deviations and histograms
    Stats(look::StatsArguments),
    /// Find duplicates, blank images, absent classes and shifted priors
    Audit(look::AuditArguments),
    /// Check files: published MD5, checksums, shapes and labels
    Verify(look::VerifyArguments),
    /// Download data sets, resuming partial downloads, and check their MD5
    Fetch(fetch::FetchArguments),
    /// Remove the decoded copies of large files
    Clean(look::CleanArguments),
    /// Generate synthetic data sets with the shapes and classes of the official ones
    Synth(SynthArguments),
    /// Write a datasheet whose claims are checked against the file
    Datasheet(datasheet::DatasheetArguments),
    /// Write images as PNG or GIF with a CSV, as the medmnist package does
    Export(images::ExportArguments),
    /// Make a data set of your own images, to be used by its name
    Import(Box<images::ImportArguments>),
    /// Draw a contact sheet of a data set
    Montage(images::MontageArguments),
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  medley data synth --out data --rows 600        small sets, in seconds
  medley data synth pathmnist_64 --rows 100      one set at 64 pixels
  medley data synth pathmnist --rows official    as many images as published")]
pub struct SynthArguments {
    /// Names such as pathmnist or pathmnist_64; by default the eleven competition tasks
    pub sets: Vec<String>,
    /// Folder to write to
    #[arg(long, visible_alias = "data", env = "MEDLEY_DATA", default_value = "data", value_name = "DIR")]
    pub out: PathBuf,
    /// Most images per split, or `official` for the official numbers
    #[arg(long, default_value = "600")]
    pub rows: String,
    /// Edge length of the images in pixels, where a name does not say it
    #[arg(long, default_value_t = 28, value_name = "PIXELS")]
    pub size: usize,
    /// Random seed
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Replace existing synthetic files (never other files)
    #[arg(long)]
    pub overwrite: bool,
}
