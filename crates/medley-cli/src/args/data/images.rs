//! `medley data export`, `import` and `montage`.
#![allow(
    clippy::doc_markdown,
    clippy::struct_excessive_bools,
    reason = "the text is for --help, and switches are bools"
)]

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::args::{DataFolder, Reading, size};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SplitArgument {
    Train,
    Val,
    Test,
}

impl From<SplitArgument> for medley_core::Split {
    fn from(split: SplitArgument) -> Self {
        match split {
            SplitArgument::Train => Self::Train,
            SplitArgument::Val => Self::Val,
            SplitArgument::Test => Self::Test,
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  medley data export breastmnist --out images         train and val of one set
  medley data export retinamnist_64 --split train     one split of the larger
  medley data export breastmnist --split test --open-test-labels

Writes OUT/NAME/train0_1.png, ... (volumes: .gif with a frame per slice) and OUT/NAME.csv with a line \
per image, such as TRAIN,train0_1.png,1. Splits that were exported earlier stay in the list.")]
pub struct ExportArguments {
    /// Names of sets in the data folder (pathmnist, pathmnist_64), or files
    #[arg(required = true)]
    pub sets: Vec<PathBuf>,
    #[command(flatten)]
    pub data: DataFolder,
    #[command(flatten)]
    pub reading: Reading,
    /// Folder to write to
    #[arg(long, default_value = "export", value_name = "DIR")]
    pub out: PathBuf,
    /// Splits, separated by commas; by default train and val, and test with --open-test-labels
    #[arg(long, value_enum, value_delimiter = ',', value_name = "SPLIT")]
    pub split: Vec<SplitArgument>,
    /// Export the test split, whose image names contain its labels; they are sealed otherwise
    #[arg(long)]
    pub open_test_labels: bool,
    /// Replace splits that were exported before
    #[arg(long)]
    pub overwrite: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  medley data montage pathmnist                    twelve by eight of train
  medley data montage dermamnist --by-class        a row for each class
  medley data montage adrenalmnist3d --columns 14  slices of a volume in a row
  medley data montage octmnist_64 --split val --scale 1 --out sheet.png")]
pub struct MontageArguments {
    /// Name of a set in the data folder (pathmnist, pathmnist_64), or a file
    pub set: PathBuf,
    #[command(flatten)]
    pub data: DataFolder,
    #[command(flatten)]
    pub reading: Reading,
    /// Split
    #[arg(long, value_enum, default_value = "train")]
    pub split: SplitArgument,
    /// Images in a row; for volumes, slices
    #[arg(long, default_value_t = 12)]
    pub columns: usize,
    /// Number of rows, by default 8; with --by-class rows per class, by default 1
    #[arg(long)]
    pub rows: Option<usize>,
    /// One row per class, with its name
    #[arg(long)]
    pub by_class: bool,
    /// Each pixel becomes a square of this side
    #[arg(long, alias = "zoom", default_value_t = 2)]
    pub scale: usize,
    /// Pixels between images
    #[arg(long, default_value_t = 2)]
    pub gap: usize,
    /// Random seed for choosing images
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Output file; by default NAME_SPLIT_montage.png in the working directory
    #[arg(long, value_name = "FILE.png")]
    pub out: Option<PathBuf>,
    /// Allow --split test --by-class; the test labels are sealed otherwise
    #[arg(long)]
    pub open_test_labels: bool,
    /// Replace an existing file
    #[arg(long)]
    pub overwrite: bool,
    /// Print JSON, with the index of each image shown
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  medley data import moles photos/ --size 28,64      one folder per class
  medley data import nevi metadata.csv --images jpg/ --path-column image_id \\
      --extension jpg --label-column dx --group-column lesion_id
  medley data import cells arrays.npz --classes alive,dead    images, labels
  medley train my-config.toml --set 'tasks=[\"moles\"]'

Folders hold one folder per class, perhaps below train, val and test. A CSV has the columns path and \
label, perhaps split and group; labels such as a|b are several. Arrays are (N, H, W), (N, H, W, 3), \
(N, 3, H, W) or (N, D, H, W): bytes, or floats from 0 to 1. A note says what was converted, and how. \
Writes NAME.npz, NAME.images.csv (where each row came from) and NAME.toml (the entry) to the data folder.")]
pub struct ImportArguments {
    /// Name of the new set: lower-case letters, digits and `-`
    pub name: String,
    /// A folder of images, a .csv, an .npz, or an .npy of images
    pub source: PathBuf,
    #[command(flatten)]
    pub data: DataFolder,
    /// Shares of train, val and test, where the source has no splits
    #[arg(long, value_delimiter = ',', default_values_t = [0.7, 0.1, 0.2], value_name = "TRAIN,VAL,TEST")]
    pub shares: Vec<f64>,
    /// Random seed of the splits
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Replace an imported set of this name
    #[arg(long)]
    pub overwrite: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    // Each group has a heading, which all that follows it would get.
    #[command(flatten)]
    pub set: SetArguments,
    #[command(flatten)]
    pub table: TableArguments,
    #[command(flatten)]
    pub pictures: PictureArguments,
}

/// What the set is.
#[derive(Debug, Args)]
#[command(next_help_heading = "The set")]
pub struct SetArguments {
    /// Name in reports
    #[arg(long)]
    pub title: Option<String>,
    /// Class names in order; by default those that occur, sorted
    #[arg(long, value_delimiter = ',', value_name = "NAME,NAME")]
    pub classes: Vec<String>,
    /// binary, multi-class, ordinal (ordered grades) or multi-label; by default from the labels
    #[arg(long, value_parser = word::<medley_core::TaskKind>)]
    pub kind: Option<medley_core::TaskKind>,
    /// What the images show, such as chest-xray, dermatoscope or other; chooses the augmentation policy
    #[arg(long, default_value = "other", value_parser = word::<medley_core::Modality>)]
    pub modality: medley_core::Modality,
    /// Source of the images, as text
    #[arg(long, default_value = "imported by its user", value_name = "TEXT")]
    pub from: String,
    /// Licence of the images, a short name
    #[arg(long, default_value = "not stated")]
    pub licence: String,
}

/// How a CSV is read, and the labels of an .npy.
#[derive(Debug, Args)]
#[command(next_help_heading = "CSV and .npy")]
pub struct TableArguments {
    /// Folder that paths in the CSV are relative to; by default that of the CSV
    #[arg(long, value_name = "DIR")]
    pub images: Option<PathBuf>,
    /// Column with the paths
    #[arg(long, default_value = "path", value_name = "NAME")]
    pub path_column: String,
    /// Column with the labels
    #[arg(long, default_value = "label", value_name = "NAME")]
    pub label_column: String,
    /// Column with the splits: train, val, test or empty
    #[arg(long, default_value = "split", value_name = "NAME")]
    pub split_column: String,
    /// Column with groups, such as patients, whose images stay in one split; by default group, if present
    #[arg(long, value_name = "NAME")]
    pub group_column: Option<String>,
    /// Extension for paths that have none, such as jpg
    #[arg(long, value_name = "EXTENSION")]
    pub extension: Option<String>,
    /// Separator between the labels of an image (--kind multi-label)
    #[arg(long, default_value = "|", value_name = "TEXT")]
    pub separator: String,
    /// What stands in place of labels where an image of a multi-label set has none
    #[arg(long, default_value = "No Finding", value_name = "TEXT")]
    pub none: String,
    /// The .npy with the labels, where the images are an .npy
    #[arg(long, value_name = "FILE")]
    pub labels: Option<PathBuf>,
}

/// How pictures are read.
#[derive(Debug, Args)]
#[command(next_help_heading = "Pictures")]
pub struct PictureArguments {
    /// Edge lengths in pixels, one file each
    #[arg(long, value_delimiter = ',', default_value = "28", value_name = "PIXELS")]
    pub size: Vec<usize>,
    /// How images become square: pad (black bars), crop (centre) or stretch
    #[arg(long, default_value = "pad", value_parser = word::<medley_import::import::Fit>)]
    pub fit: medley_import::import::Fit,
    /// Resampling filter: nearest, triangle (bilinear), catmull-rom (bicubic) or lanczos3
    #[arg(long, default_value = "catmull-rom", value_parser = word::<medley_import::import::Filter>)]
    pub filter: medley_import::import::Filter,
    /// Grey or RGB; auto is grey if all pictures are
    #[arg(long, value_enum, default_value = "auto")]
    pub colour: ColourArgument,
    /// 16 bits per channel: refuse, full-range (0-65535 to 0-255) or picture-range (minimum to maximum of each picture)
    #[arg(long, default_value = "refuse", value_parser = word::<medley_import::import::SixteenBit>)]
    pub sixteen_bit: medley_import::import::SixteenBit,
    /// Transparent pictures: refuse, or place on black or white
    #[arg(long, default_value = "refuse", value_parser = word::<medley_import::import::Alpha>)]
    pub alpha: medley_import::import::Alpha,
    /// The most pixels of a picture, or of all frames of an animation
    #[arg(long, default_value_t = medley_import::import::MAX_PIXELS, value_name = "PIXELS")]
    pub max_pixels: u64,
    /// Leave out pictures that cannot be read, and count them
    #[arg(long)]
    pub skip_unreadable: bool,
    /// Memory limit for the decoded images, such as 4GiB; by default half of the free memory
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub memory: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ColourArgument {
    Auto,
    Grey,
    Rgb,
}

/// A choice by the word that files have for it.
pub(crate) fn word<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_value(serde_json::Value::String(text.to_owned())).map_err(|error| error.to_string())
}
