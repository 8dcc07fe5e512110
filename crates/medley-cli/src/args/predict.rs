//! `medley predict`.

use std::path::PathBuf;

use clap::Args;

use super::RunDataFolder;
use super::data::images::word;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  medley predict picture.png --model breastmnist
  medley predict picture.png --model runs/small-three-1 --task breastmnist
  medley predict pictures/ --model packages/breastmnist --csv > answers.csv
  medley predict arrays.npz --member images --model packages/breastmnist --json

Pictures are PNG, JPEG, BMP, GIF, TIFF, WebP, DICOM or NIfTI files of any size; those of another size than the model's are resized as \
its training images were, with a note. One that cannot be read is named and passed over, and the exit code is then 3.

Not for clinical use.")]
pub struct PredictArguments {
    /// Pictures, folders of them, .npz or .npy files; - is a picture on standard input
    #[arg(required = true, value_name = "INPUT")]
    pub inputs: Vec<PathBuf>,
    /// Run folder, package that `medley models export RUN --to DIR` wrote, or a built-in model of `medley models list`
    #[arg(long, value_name = "MODEL")]
    pub model: PathBuf,
    /// Task; needed where the model has several
    #[arg(long, value_name = "NAME")]
    pub task: Option<String>,
    /// Seed of a run; by default the best on validation
    #[arg(long)]
    pub seed: Option<u64>,
    /// The array of an .npz
    #[arg(long, value_name = "NAME")]
    pub member: Option<String>,
    /// Classes that are printed for each picture, the most probable first
    #[arg(long, default_value_t = 3, value_name = "K")]
    pub top: usize,
    #[command(flatten)]
    pub form: PredictForm,
    /// 16 bits per channel: refuse, full-range (0-65535 to 0-255) or picture-range (minimum to maximum of each picture); by default as
    /// the training images
    #[arg(long, value_parser = word::<medley_import::import::SixteenBit>)]
    pub sixteen_bit: Option<medley_import::import::SixteenBit>,
    /// Transparent pictures: refuse, or place on black or white; by default as the training images
    #[arg(long, value_parser = word::<medley_import::import::Alpha>)]
    pub alpha: Option<medley_import::import::Alpha>,
    /// Most pixels of a picture
    #[arg(long, default_value_t = medley_import::import::MAX_PIXELS, value_name = "COUNT")]
    pub max_pixels: u64,
    /// cpu or cuda:0
    #[arg(long, default_value = "cpu")]
    pub device: String,
    /// Threads of the network; by default those of its run, whose bits it then has
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    #[command(flatten)]
    pub data: RunDataFolder,
}

/// How answers are printed.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub struct PredictForm {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Print CSV: file, label, entropy, unlike, then the probability of each class
    #[arg(long)]
    pub csv: bool,
    /// Write an .npy of float32 probabilities to standard output, (N, C) in order; rows of pictures that cannot be read are NaN
    #[arg(long)]
    pub npy: bool,
}
