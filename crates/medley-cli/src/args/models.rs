//! `medley models`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use medley_models::backbones::Stem;
use medley_models::layers::VolumeConvolution;
use serde::Deserialize;
use serde::de::value::{Error, StrDeserializer};

use super::DataFolder;

#[derive(Debug, Args)]
pub(crate) struct ModelsArguments {
    #[command(subcommand)]
    pub(crate) subcommand: ModelsSubcommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ModelsSubcommand {
    /// List all networks
    #[command(after_help = "Example:
  medley models list")]
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Describe a network: parameters, multiply-adds, memory and receptive field by input size, and its options
    Show(ShowArguments),
    /// Export the weights of a run, one plain network per task, for torchvision or timm
    Export(ExportArguments),
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  medley models export runs/small-three-1
  medley models export runs/small-three-1 --task breastmnist --seed 1 --out weights

The files are safetensors, with the classes and the normalisation in their metadata. A run starts from \
such a file, or from torchvision's own weights, with `net.pretrained = \"FILE\"`.")]
pub(crate) struct ExportArguments {
    /// Run folder
    pub(crate) run: PathBuf,
    /// Task of the run; may be repeated; by default all
    #[arg(long, value_name = "NAME")]
    pub(crate) task: Vec<String>,
    /// Seed of the run; by default the first
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Folder to write to; by default `weights` in the run folder
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) data: DataFolder,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  medley models show resnet18
  medley models show resnet9 --width 16 --size 28
  medley models show resnet18_3d --convolution acs --json")]
pub(crate) struct ShowArguments {
    /// Name, from `medley models list`
    pub(crate) name: String,
    /// Channels of the first stage; by default as published
    #[arg(long)]
    pub(crate) width: Option<usize>,
    /// Number of layers, for networks that come in several depths
    #[arg(long)]
    pub(crate) depth: Option<usize>,
    /// Layers before the first block: small or imagenet; by default small below 64 pixels
    #[arg(long, value_parser = word::<Stem>)]
    pub(crate) stem: Option<Stem>,
    /// Convolutions of networks over volumes: 3d, 2.5d or acs
    #[arg(long, value_parser = word::<VolumeConvolution>)]
    pub(crate) convolution: Option<VolumeConvolution>,
    /// Edge length of the input in pixels; may be repeated; by default those of MedMNIST
    #[arg(long, value_name = "PIXELS")]
    pub(crate) size: Vec<i64>,
    /// Channels of the input
    #[arg(long, default_value_t = 3)]
    pub(crate) channels: i64,
    /// Print JSON, one description per size
    #[arg(long)]
    pub(crate) json: bool,
}

/// Reads a word as configs do.
fn word<T: for<'a> Deserialize<'a>>(text: &str) -> Result<T, Error> {
    T::deserialize(StrDeserializer::<Error>::new(text))
}
