//! `medley augment`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::DataFolder;

#[derive(Debug, Args)]
pub struct AugmentArguments {
    #[command(subcommand)]
    pub subcommand: AugmentSubcommand,
}

#[derive(Debug, Subcommand)]
pub enum AugmentSubcommand {
    /// List the transforms for augmentation policies
    #[command(after_help = "Example:
  medley augment list")]
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the built-in policy of a data set as TOML, with its rationale
    #[command(after_help = "Example:
  medley augment policy pathmnist")]
    Policy {
        /// Name of the set, such as pathmnist
        set: String,
    },
    /// Draw contact sheets of augmented training images: a row per image, a column per epoch
    Preview(PreviewArguments),
    /// Draw contact sheets of corrupted images: a row per corruption, a column per severity
    Corruptions(CorruptionsArguments),
}

/// What sheets are made of and where they go.
#[derive(Debug, Clone, Args)]
pub struct SheetArguments {
    #[command(flatten)]
    pub data: DataFolder,
    /// Random seed
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Each pixel becomes a square of this side, 1-64; by default images are about 84 pixels wide
    #[arg(long, alias = "scale")]
    pub zoom: Option<usize>,
    /// Folder to write to
    #[arg(long, default_value = ".", value_name = "DIR")]
    pub out: PathBuf,
    /// Replace existing files
    #[arg(long)]
    pub overwrite: bool,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "The first column shows the original images, column k after it what epoch k sees.

Examples:
  medley augment preview configs/small-three.toml
  medley augment preview my.toml --task pathmnist --draws 16 --out sheets")]
pub struct PreviewArguments {
    /// The config, a TOML file
    pub config: PathBuf,
    /// Set a key of the config, such as train.epochs=5; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Only this task of the config; may be repeated
    #[arg(long = "task", value_name = "TASK")]
    pub tasks: Vec<String>,
    /// Number of training images, evenly spaced
    #[arg(long, default_value_t = 8)]
    pub images: usize,
    /// Number of augmented versions of each
    #[arg(long, default_value_t = 10)]
    pub draws: usize,
    #[command(flatten)]
    pub sheet: SheetArguments,
}

#[derive(Debug, Args)]
#[command(after_help = "Corruptions and severities follow MedMNIST-C, by modality.

Example:
  medley augment corruptions retinamnist --index 3")]
pub struct CorruptionsArguments {
    /// Name of the set, such as pathmnist
    pub set: String,
    /// Edge length of the images in pixels
    #[arg(long, default_value_t = 28, value_name = "PIXELS")]
    pub size: usize,
    /// Index of the training image
    #[arg(long, default_value_t = 0)]
    pub index: usize,
    #[command(flatten)]
    pub sheet: SheetArguments,
}
