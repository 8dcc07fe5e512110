//! `medley models`.

use clap::{Args, Subcommand};
use medley_models::backbones::Stem;
use medley_models::layers::VolumeConvolution;
use serde::Deserialize;
use serde::de::value::{Error, StrDeserializer};

#[derive(Debug, Args)]
pub(crate) struct ModelsArguments {
    #[command(subcommand)]
    pub(crate) verb: ModelsVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ModelsVerb {
    /// All networks
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// One network: parameters, multiplications, memory and receptive field at each size, and its options
    Show(ShowArguments),
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
