//! `medley augment`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::DataFolder;

#[derive(Debug, Args)]
pub(crate) struct AugmentArguments {
    #[command(subcommand)]
    pub(crate) subcommand: AugmentSubcommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AugmentSubcommand {
    /// Name the transforms that a policy can be made of
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the built-in policy of a data set as TOML, with its reason
    Policy {
        /// Name of the set, such as pathmnist
        set: String,
    },
    /// Draw what training will see: PNG contact sheets, rows training images, columns draws
    Preview(PreviewArguments),
    /// Draw corruptions: PNG contact sheets, rows kinds, columns severities
    Corruptions(CorruptionsArguments),
}

/// What sheets are made of and where they go.
#[derive(Debug, Args)]
pub(crate) struct SheetArguments {
    #[command(flatten)]
    pub(crate) data: DataFolder,
    /// Seed of the draws
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Each pixel becomes a square of this side, 1-64; by default images are shown about 84 pixels wide
    #[arg(long)]
    pub(crate) zoom: Option<usize>,
    /// Folder to write to
    #[arg(long, default_value = ".", value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Replace sheets that are there
    #[arg(long)]
    pub(crate) overwrite: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "The first column shows images as they are; column k after it is what epoch k sees.

Examples:
  medley augment preview configs/small-three.toml
  medley augment preview my.toml --task pathmnist --images 4 --draws 16 --out sheets")]
pub(crate) struct PreviewArguments {
    /// The experiment, a TOML file
    pub(crate) config: PathBuf,
    /// Overrides a key of the config; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Only this task of the config; may be repeated
    #[arg(long = "task", value_name = "TASK")]
    pub(crate) tasks: Vec<String>,
    /// Training images, taken evenly from all of them
    #[arg(long, default_value_t = 8)]
    pub(crate) images: usize,
    /// Draws of each
    #[arg(long, default_value_t = 10)]
    pub(crate) draws: usize,
    #[command(flatten)]
    pub(crate) sheet: SheetArguments,
}

#[derive(Debug, Args)]
#[command(after_help = "Corruptions and severities follow MedMNIST-C, by modality.

Example:
  medley augment corruptions retinamnist --index 3")]
pub(crate) struct CorruptionsArguments {
    /// Name of the set, such as pathmnist
    pub(crate) set: String,
    /// Edge length of the images
    #[arg(long, default_value_t = 28)]
    pub(crate) size: usize,
    /// Which training image
    #[arg(long, default_value_t = 0)]
    pub(crate) index: usize,
    #[command(flatten)]
    pub(crate) sheet: SheetArguments,
}
