//! `medley auto`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use medley_core::text::parse_duration;

use super::{DataFolder, Reading};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  medley auto --task breastmnist --budget 20s
  medley auto --task breastmnist --task retinamnist --budget 30s --out two
  medley auto --config my-config.toml --budget 20s --out auto/mine

The budget counts everything. Networks are trained by the default recipe, which shows what one costs; a search with successive halving over \
a space by the size of the data has at least half of the time, and goes on until networks by the best settings just fit. All are averaged, but \
for those far below the others, decision rules are fitted, and the report says whether the search found more than chance. Give a set minutes rather than seconds. The test split stays shut: \
`medley test` scores a network, `medley ensemble --test` an ensemble.")]
pub struct AutoArguments {
    /// A task; may be repeated
    #[arg(long = "task", value_name = "NAME", required_unless_present = "config")]
    pub tasks: Vec<String>,
    /// Time for everything, such as 10min
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub budget: Duration,
    /// A config to begin from, in place of the default recipe
    #[arg(long, value_name = "CONFIG")]
    pub config: Option<PathBuf>,
    /// Folder for everything, which must not exist yet; by default auto/ and the name of the first task
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Seed of the search
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    #[command(flatten)]
    pub data: DataFolder,
    #[command(flatten)]
    pub reading: Reading,
    /// Print the record as JSON
    #[arg(long)]
    pub json: bool,
    /// Show no progress
    #[arg(short, long)]
    pub quiet: bool,
}
