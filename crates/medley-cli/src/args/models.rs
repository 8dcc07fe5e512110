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
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one network: parameters, multiplications, memory and receptive field at each size, and its options
    Show(ShowArguments),
    /// Export the weights of a run, a plain network per task that torchvision or timm loads
    Export(ExportArguments),
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  medley models export runs/small-three-1
  medley models export runs/small-three-1 --task breastmnist --seed 1 --out weights

The files are safetensors; their metadata has the classes and what pixels are normalised by. A run starts from such a
file, or from torchvision's own weights, with `net.pretrained = \"FILE\"`.")]
pub(crate) struct ExportArguments {
    /// Run folder
    pub(crate) run: PathBuf,
    /// A task of the run; may be repeated; by default all
    #[arg(long, value_name = "NAME")]
    pub(crate) task: Vec<String>,
    /// A seed of the run; by default its first
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Folder to write to; by default the folder `weights` of the run
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// As JSON
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
    /// A name of `medley models list`
    pub(crate) name: String,
    /// Channels of the first stage; by default the published width
    #[arg(long)]
    pub(crate) width: Option<usize>,
    /// Number of layers, where there is a choice
    #[arg(long)]
    pub(crate) depth: Option<usize>,
    /// What comes before the first block: small or imagenet; by default small below 64 pixels
    #[arg(long, value_parser = word::<Stem>)]
    pub(crate) stem: Option<Stem>,
    /// For networks over volumes: 3d, 2.5d or acs
    #[arg(long, value_parser = word::<VolumeConvolution>)]
    pub(crate) convolution: Option<VolumeConvolution>,
    /// Edge length of the input; may be repeated; by default those of MedMNIST
    #[arg(long, value_name = "PIXELS")]
    pub(crate) size: Vec<i64>,
    /// Channels of the input
    #[arg(long, default_value_t = 3)]
    pub(crate) channels: i64,
    /// As JSON, one description per size
    #[arg(long)]
    pub(crate) json: bool,
}

/// Reads a word as configs do.
fn word<T: for<'a> Deserialize<'a>>(text: &str) -> Result<T, Error> {
    T::deserialize(StrDeserializer::<Error>::new(text))
}
