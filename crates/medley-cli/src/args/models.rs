//! `medley models`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::RunDataFolder;

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
    /// Export the networks of a run: packages for `medley predict` and the Hugging Face Hub, plain weights for torchvision and timm, or
    /// ONNX models
    Export(ExportArguments),
    /// Check a package: its description, its weights, and that the network answers as when the package was made
    Verify(VerifyArguments),
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  medley models export runs/small-three-1 --to published
  medley models export runs/small-three-1 --to all --all-tasks --format bf16
  medley models export runs/small-three-1 --seed 1 --out weights
  medley models export runs/small-three-1 --format onnx
  medley models export retinamnist --to packed

With --to, each task becomes a folder of its own with model.toml, model.safetensors and README.md, a model card that the Hugging Face \
Hub reads. The decision rule, the temperature and the threshold for unlike images are fitted on the validation images of the run.

A built-in model of `medley models list` is written as it is.

Without it, the files are safetensors, with the classes and the normalisation in their metadata. A run starts from \
such a file, or from torchvision's own weights, with `net.pretrained = \"FILE\"`.

With `--format onnx`, a file is a whole model for onnxruntime and others: it takes pictures as bytes, \
`uint8` of shape [N, channels, height, width] (volumes [N, channels, depth, height, width]), normalises them, \
and gives probabilities. Test-time views and decision rules of the run are not part of it.")]
pub struct ExportArguments {
    /// Run folder, or a built-in model
    #[arg(value_name = "RUN|MODEL")]
    pub run: PathBuf,
    /// Task of the run; may be repeated; by default all
    #[arg(long, value_name = "NAME")]
    pub task: Vec<String>,
    /// Seed of the run; by default the best on validation
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
    /// Numbers of the weights of a package: fp32 (the default), bf16 or fp16; without --to, the files: safetensors (the default) or onnx
    #[arg(long)]
    pub format: Option<ExportFormat>,
    /// Leave out what the validation images tell: no data are read, and there is neither a decision rule nor a threshold
    #[arg(long, requires = "to")]
    pub no_calibration: bool,
    /// Folder to write plain weights or ONNX models to; by default `weights` in the run folder
    #[arg(long, value_name = "DIR", conflicts_with = "to")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub onnx: OnnxArguments,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub data: RunDataFolder,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// A package in 32-bit floats, as they were trained
    Fp32,
    /// A package in bfloat16
    Bf16,
    /// A package in 16-bit floats
    Fp16,
    /// Plain weights
    Safetensors,
    /// ONNX models
    Onnx,
}

/// What is open about an ONNX model.
#[derive(Debug, Args, Default, PartialEq, Eq)]
#[command(next_help_heading = "With --format onnx")]
pub struct OnnxArguments {
    /// What the model is given: bytes (0 to 255), unit (0 to 1) or normalised [default: bytes]
    #[arg(long, value_name = "RANGE")]
    pub pixels: Option<String>,
    /// Give logits instead of probabilities
    #[arg(long)]
    pub logits: bool,
    /// Compute with 16-bit floats: half the size
    #[arg(long)]
    pub half: bool,
    /// Images per batch; by default any number
    #[arg(long, value_name = "IMAGES", value_parser = clap::value_parser!(u32).range(1..=65536))]
    pub batch: Option<u32>,
    /// All tasks as outputs of one model
    #[arg(long)]
    pub together: bool,
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
