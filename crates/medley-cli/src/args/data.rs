//! `medley data`.

pub(crate) mod datasheet;
pub(crate) mod fetch;
pub(crate) mod images;
pub(crate) mod look;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::DataFolder;

#[derive(Debug, Args)]
pub(crate) struct DataArguments {
    #[command(subcommand)]
    pub(crate) subcommand: DataSubcommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DataSubcommand {
    /// All known data sets, and which are in the data folder
    List {
        #[command(flatten)]
        data: DataFolder,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// What a file is, by its content: set, size, generation, rows, classes, licence, and what differs
    Info(look::InfoArguments),
    /// Class balance, means, deviations and histograms
    Stats(look::StatsArguments),
    /// Find duplicates, blank images, absent classes and shifted priors
    Audit(look::AuditArguments),
    /// Check files: MD5 as published, shapes, checksums and labels
    Verify(look::VerifyArguments),
    /// Download data sets, resuming what was begun, and check their MD5
    Fetch(fetch::FetchArguments),
    /// Remove the decoded copies of large files
    Clean(look::CleanArguments),
    /// Generate synthetic data sets of the official shapes
    Synth(SynthArguments),
    /// Write a datasheet whose claims are checked against the file
    Datasheet(datasheet::DatasheetArguments),
    /// Write images as PNG or GIF with a CSV, named as the medmnist package names them
    Export(images::ExportArguments),
    /// Make a set of your own images, known by name from then on
    Import(Box<images::ImportArguments>),
    /// Draw a contact sheet
    Montage(images::MontageArguments),
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  medley data synth --out data --rows 600          small sets of all eleven tasks, seconds
  medley data synth pathmnist --rows official      one set with the official row counts")]
pub(crate) struct SynthArguments {
    /// Names such as pathmnist or pathmnist_64; by default the eleven competition tasks
    pub(crate) sets: Vec<String>,
    /// Folder to write to
    #[arg(long, visible_alias = "data", env = "MEDLEY_DATA", default_value = "data", value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// `official`, or the most rows per split
    #[arg(long, default_value = "600")]
    pub(crate) rows: String,
    /// Edge length of the images
    #[arg(long, default_value_t = 28)]
    pub(crate) size: usize,
    /// Seed of the generator
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Replace synthetic files that exist (never other files)
    #[arg(long)]
    pub(crate) overwrite: bool,
}
