//! `medley explain`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::data::images::SplitArgument;
use super::{Reading, RunDataFolder};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  medley explain picture.png --model breastmnist --out maps
  medley explain runs/small-three-1 --task breastmnist --rows 3,7 --out rows
  medley explain runs/small-three-1 --gallery

Each image becomes a PNG: the image, the map over it, and the map. The numbers are in explanations.json beside them. A map shows what \
the network used, not what is there. Test labels stay shut; test images are explained with --split test alone.

Not for clinical use.")]
pub struct ExplainArguments {
    /// Pictures or folders of them, with --model; else the run folder whose images are explained
    #[arg(required = true, value_name = "IMAGE|RUN")]
    pub inputs: Vec<PathBuf>,
    /// The network that explains pictures: a run folder, a package that `medley models export RUN --to DIR` wrote, or a built-in model
    /// of `medley models list`
    #[arg(long, value_name = "MODEL", conflicts_with_all = ["gallery", "rows", "split"])]
    pub model: Option<PathBuf>,
    /// Task; needed where the network has several
    #[arg(long, value_name = "NAME", conflicts_with = "gallery")]
    pub task: Option<String>,
    /// Seed of a run; by default the best on validation
    #[arg(long)]
    pub seed: Option<u64>,
    /// By default grad-cam, and integrated-gradients for networks without a feature map
    #[arg(long, value_enum)]
    pub method: Option<MethodArgument>,
    /// The class whose logit is explained: its name or number, or the predicted one
    #[arg(long, default_value = "predicted", value_name = "CLASS", conflicts_with = "gallery")]
    pub class: String,
    /// Rows of the split, counted from 0, such as 3,17
    #[arg(long, value_delimiter = ',', value_name = "ROWS")]
    pub rows: Vec<usize>,
    /// Split of the rows
    #[arg(long, value_enum, default_value = "val")]
    pub split: SplitArgument,
    /// Steps of integrated gradients
    #[arg(long, default_value_t = 64, value_name = "N")]
    pub steps: usize,
    /// Side of the window of occlusion; by default a seventh of the image's
    #[arg(long, value_name = "PIXELS")]
    pub window: Option<usize>,
    /// Pixels from one window to the next; by default half a window, of volumes a window
    #[arg(long, value_name = "PIXELS")]
    pub stride: Option<usize>,
    /// What stands for nothing in integrated gradients and occlusion
    #[arg(long, value_enum, default_value = "mean")]
    pub baseline: BaselineArgument,
    /// Pixels of a picture for a pixel of the image; by default so many that it has 224 a side
    #[arg(long, value_name = "N")]
    pub scale: Option<usize>,
    /// Folder for the pictures, which must not exist yet
    #[arg(long, value_name = "DIR", required_unless_present = "gallery")]
    pub out: Option<PathBuf>,
    /// Write gallery.json into the run folder, and the report again: errors and close calls of the validation split, with maps
    #[arg(long, conflicts_with_all = ["out", "rows"])]
    pub gallery: bool,
    #[command(flatten)]
    pub data: RunDataFolder,
    #[command(flatten)]
    pub reading: Reading,
    /// Print the numbers as JSON
    #[arg(long)]
    pub json: bool,
}

/// How maps are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MethodArgument {
    /// The last feature map, weighted by gradients (Selvaraju 2017)
    GradCam,
    /// Gradients on the way from a baseline (Sundararajan 2017)
    IntegratedGradients,
    /// What is lost where a window is hidden (Zeiler 2014)
    Occlusion,
}

/// What stands for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BaselineArgument {
    /// The mean colour of the training images
    Mean,
    /// Black
    Black,
}
