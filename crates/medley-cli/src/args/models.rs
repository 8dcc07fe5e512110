//! `medley models`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::RunDataFolder;
use super::data::images::word;

#[derive(Debug, Args)]
pub struct ModelsArguments {
    #[command(subcommand)]
    pub subcommand: ModelsSubcommand,
}

#[derive(Debug, Subcommand)]
pub enum ModelsSubcommand {
    /// List the trained models that are part of the program, and all networks that can be trained
    #[command(after_help = "Example:
  medley models list")]
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Describe a network: parameters, multiply-adds, memory and receptive field by input size, and its options
    Show(ShowArguments),
    /// Export the networks of a run: packages for `medley predict` and the Hugging Face Hub, or plain weights for torchvision and timm
    Export(ExportArguments),
    /// Check a package: its description, its weights, and that the network answers as when the package was made
    Verify(VerifyArguments),
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  medley models export runs/small-three-1 --to published
  medley models export runs/small-three-1 --to all --all-tasks --format bf16
  medley models export runs/small-three-1 --seed 1 --out weights
  medley models export retinamnist --to mine

With --to, each task becomes a folder of its own with model.toml, model.safetensors and README.md, a model card that the Hugging Face \
Hub reads. The decision rule, the temperature and the threshold for unlike images are fitted on the validation images of the run.

A built-in model of `medley models list` is written as it is. \
Without --to, the files are safetensors, with the classes and the normalisation in their metadata. A run starts from \
such a file, or from torchvision's own weights, with `net.pretrained = \"FILE\"`.")]
pub struct ExportArguments {
    /// Run folder, or a built-in model
    #[arg(value_name = "RUN|MODEL")]
    pub run: PathBuf,
    /// Task of the run; may be repeated; by default all
    #[arg(long, value_name = "NAME")]
    pub task: Vec<String>,
    /// Seed of the run; by default the best on validation for packages, and the first for plain weights
    #[arg(long)]
    pub seed: Option<u64>,
    /// Folder to write packages to
    #[arg(long, value_name = "DIR")]
    pub to: Option<PathBuf>,
    /// Name of the package; by default those of run and task
    #[arg(long, requires = "to")]
    pub name: Option<String>,
    /// One package with all tasks, in --to itself
    #[arg(long, requires = "to", conflicts_with = "task")]
    pub all_tasks: bool,
    /// Number format of the weights of a package: fp32, bf16 or fp16
    #[arg(long, requires = "to", default_value = "fp32", value_parser = word::<medley_package::NumberFormat>)]
    pub format: medley_package::NumberFormat,
    /// Leave out what the validation images tell: no data are read, and there is neither a decision rule nor a threshold
    #[arg(long, requires = "to")]
    pub no_calibration: bool,
    /// Folder to write plain weights to; by default `weights` in the run folder
    #[arg(long, value_name = "DIR", conflicts_with = "to")]
    pub out: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub data: RunDataFolder,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  medley models show resnet18
  medley models show resnet9 --width 16 --size 28
  medley models show resnet18_3d --convolution acs --json")]
pub struct ShowArguments {
    /// Name, from `medley models list`
    pub name: String,
    /// Channels of the first stage; by default as published
    #[arg(long)]
    pub width: Option<usize>,
    /// Number of layers, for networks that come in several depths
    #[arg(long)]
    pub depth: Option<usize>,
    /// Layers before the first block: small or imagenet; by default small below 64 pixels
    #[arg(long)]
    pub stem: Option<String>,
    /// Convolutions of networks over volumes: 3d, 2.5d or acs
    #[arg(long)]
    pub convolution: Option<String>,
    /// Edge length of the input in pixels; may be repeated; by default those of MedMNIST
    #[arg(long, value_name = "PIXELS")]
    pub size: Vec<i64>,
    /// Channels of the input
    #[arg(long, default_value_t = 3)]
    pub channels: i64,
    /// Print JSON, one description per size
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  medley models verify packages/breastmnist
  medley models verify breastmnist")]
pub struct VerifyArguments {
    /// Package, or a built-in model
    pub package: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
