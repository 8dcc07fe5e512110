use std::process::ExitCode;

use medley_audit::stats::{BINS, Statistics, statistics};
use medley_core::Split;
use medley_data::open_named;

use super::test_token;
use crate::args::data::look::StatsArguments;
use crate::output;

/// From empty to full.
const BARS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

pub(super) fn run(arguments: &StatsArguments) -> anyhow::Result<ExitCode> {
    let options = arguments.reading.options();
    let mut all = Vec::new();
    for set in &arguments.sets {
        let task = open_named(set, &arguments.data.data, &options)?.task;
        all.push(statistics(&task, test_token(arguments.open_test_labels, &task).as_ref())?);
    }
    if arguments.json {
        output::json(&all)?;
        return Ok(ExitCode::SUCCESS);
    }
    for (index, one) in all.iter().enumerate() {
        if index > 0 {
            output::line("")?;
        }
        print(one)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print(statistics: &Statistics) -> anyhow::Result<()> {
    output::line(&format!("{}\n", statistics.set))?;
    let mut rows: Vec<Vec<String>> = Vec::new();
    for (class, name) in statistics.classes.iter().enumerate() {
        let mut row = vec![class.to_string(), name.clone()];
        for split in Split::ALL {
            row.extend(
                match statistics.splits.get(&split).and_then(|split| Some((split, split.class_counts.as_ref()?))) {
                    Some((split, counts)) => {
                        let share = 100.0 * counts[class] as f64 / split.images.max(1) as f64;
                        [counts[class].to_string(), format!("{share:.1}%")]
                    }
                    None => ["sealed".to_owned(), "-".to_owned()],
                },
            );
        }
        rows.push(row);
    }
    output::line(&output::table(&["", "class", "train", "", "val", "", "test", ""], &rows))?;
    let mut rows: Vec<Vec<String>> = Vec::new();
    for (split, of_split) in &statistics.splits {
        for (number, channel) in of_split.channels.iter().enumerate() {
            rows.push(vec![
                split.to_string(),
                of_split.images.to_string(),
                number.to_string(),
                format!("{:.4}", channel.mean),
                format!("{:.4}", channel.std),
                channel.min.to_string(),
                channel.max.to_string(),
                format!("|{}|", histogram(&channel.histogram)),
            ]);
        }
    }
    let header = ["split", "images", "channel", "mean", "std", "min", "max", "dark to light"];
    output::line(&format!("\n{}", output::table(&header, &rows)))
}

fn histogram(bins: &[u64; BINS]) -> String {
    let most = bins.iter().copied().max().unwrap_or_default().max(1);
    // What is there is seen, be it ever so little.
    bins.iter().map(|&bin| BARS[((8 * bin).div_ceil(most)) as usize]).collect()
}
