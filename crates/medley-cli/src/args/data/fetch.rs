//! `medley data fetch`.

use clap::Args;

use crate::args::DataFolder;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  medley data fetch breastmnist pneumoniamnist retinamnist
  medley data fetch competition --release 2.0-2.2.3    as the competition
  medley data fetch all --size 28,64 --jobs 4
  medley data fetch pathmnist --mirror https://mirror.example/medmnist

An interrupted download is resumed by the same command. A file whose MD5 is the published one is not \
downloaded again. Two releases of the files are published: the current one, and 2.0-2.2.3, which differs for five sets at \
28 pixels and is in an older record of Zenodo.")]
pub struct FetchArguments {
    /// Names such as breastmnist, or with a size of their own, pathmnist_64; `competition` for the eleven tasks, `all` for all
    /// eighteen sets
    #[arg(required = true)]
    pub sets: Vec<String>,
    /// Edge lengths of the images in pixels, such as 28 or 28,64; `all` for every published size
    #[arg(long, default_value = "28", value_delimiter = ',', value_name = "PIXELS")]
    pub size: Vec<String>,
    /// Release of the files, such as 2.0-2.2.3; by default the current one, or any that is present
    #[arg(long)]
    pub release: Option<String>,
    #[command(flatten)]
    pub data: DataFolder,
    /// Download URL/FILE instead of the official address
    #[arg(long, value_name = "URL")]
    pub base_url: Option<String>,
    /// Try URL/FILE when the first address fails; may be repeated
    #[arg(long = "mirror", value_name = "URL")]
    pub mirrors: Vec<String>,
    /// Seconds to wait for a connection or for more data
    #[arg(long, default_value_t = 30, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub timeout: u64,
    /// Attempts per address
    #[arg(long, default_value_t = 4)]
    pub attempts: u32,
    /// Number of parallel downloads
    #[arg(short, long, default_value_t = 3, value_name = "N")]
    pub jobs: usize,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
