use askama::Template;
use medley_core::record::{DataRecord, TaskResult};
use medley_core::{Split, TaskKind};

use super::Section;
use crate::format;
use crate::svg::{Bar, BarChart};
use crate::{Fragment, RunRecord};

/// How often each class occurs in each split.
pub(super) struct Balance;

#[derive(Template)]
#[template(path = "balance.html")]
struct BalanceTemplate {
    splits: Vec<(usize, &'static str)>,
    charts: Vec<Chart>,
}

struct Chart {
    title: String,
    svg: Fragment,
    summary: String,
}

impl Section for Balance {
    fn id(&self) -> &'static str {
        "balance"
    }

    fn title(&self) -> &'static str {
        "Class balance"
    }

    fn render(&self, run: &RunRecord) -> Result<Option<Fragment>, askama::Error> {
        let counts: Vec<_> = (0..run.data().len()).map(|task| counts(run, task)).collect();
        // All charts show the same splits, so one legend serves them.
        let shown: Vec<Split> = Split::ALL
            .into_iter()
            .filter(|split| counts.iter().all(|task| task.iter().any(|entry| entry.0 == *split)))
            .collect();
        if shown.is_empty() {
            return Ok(None);
        }
        let charts = (run.data().iter().zip(&counts))
            .filter_map(|(data, counts)| {
                let counts: Vec<_> = counts.iter().filter(|entry| shown.contains(&entry.0)).cloned().collect();
                chart(data, &counts)
            })
            .collect();
        let offset = 3 - shown.len();
        let splits = shown.into_iter().enumerate().map(|(index, split)| (index + offset, name(split))).collect();
        Fragment::render(&BalanceTemplate { splits, charts }).map(Some)
    }
}

/// Per split the count of each class. Train and validation from the manifest; where it has none, validation from the
/// results; test always from the results, as its labels are sealed until then.
fn counts(run: &RunRecord, task: usize) -> Vec<(Split, Vec<u64>)> {
    let support = |result: &TaskResult| result.per_class.iter().map(|class| class.support).collect::<Vec<_>>();
    let seed = run.results.as_ref().and_then(|results| results.seeds.first());
    let mut counts: Vec<(Split, Vec<u64>)> = Vec::new();
    for split in Split::ALL {
        let known = run.data()[task].class_counts.get(&split).filter(|_| split != Split::Test).cloned();
        let scored = match split {
            Split::Train => None,
            Split::Val => seed.map(|seed| support(&seed.validation.tasks[task])),
            Split::Test => seed.and_then(|seed| seed.test.as_ref()).map(|test| support(&test.tasks[task])),
        };
        if let Some(of_split) = known.or(scored) {
            counts.push((split, of_split));
        }
    }
    counts
}

fn chart(data: &DataRecord, counts: &[(Split, Vec<u64>)]) -> Option<Chart> {
    let shares: Vec<(Split, Vec<f64>)> =
        counts.iter().map(|(split, counts)| (*split, shares(data, *split, counts))).collect();
    let groups = (data.task.classes.iter().enumerate())
        .map(|(class, class_name)| Bar {
            label: class_name.clone(),
            shares: (shares.iter().zip(counts))
                .map(|((split, shares), (_, counts))| {
                    let title = format!(
                        "{class_name}, {}: {} ({})",
                        name(*split),
                        format::count(counts[class]),
                        format::percent(shares[class])
                    );
                    (shares[class], title)
                })
                .collect(),
        })
        .collect();
    let label = format!("Share of each class of {} in each split", data.task.title);
    let svg = BarChart { label, groups, width: 330.0 }.draw()?;
    Some(Chart { title: data.task.title.clone(), svg, summary: summary(data, &shares, counts) })
}

/// A split as readers call it.
fn name(split: Split) -> &'static str {
    match split {
        Split::Train => "training",
        Split::Val => "validation",
        Split::Test => "test",
    }
}

/// Shares of images; for multi-label tasks each label is a share of its own.
fn shares(data: &DataRecord, split: Split, counts: &[u64]) -> Vec<f64> {
    let sum: f64 = counts.iter().map(|&count| count as f64).sum();
    let total = match data.task.kind {
        TaskKind::MultiLabel => data.rows.get(&split).map_or(sum, |&rows| rows as f64),
        _ => sum,
    };
    counts.iter().map(|&count| if total > 0.0 { count as f64 / total } else { 0.0 }).collect()
}

fn summary(data: &DataRecord, shares: &[(Split, Vec<f64>)], counts: &[(Split, Vec<u64>)]) -> String {
    let mut parts = Vec::new();
    if let Some((split, counts)) = counts.first() {
        let most = counts.iter().max().copied().unwrap_or(0);
        match counts.iter().min().copied().unwrap_or(0) {
            0 => parts.push(format!("a class without examples in {}", name(*split))),
            least => parts.push(format!(
                "largest : smallest class {:.1} : 1 in {}",
                most as f64 / least as f64,
                name(*split)
            )),
        }
    }
    if data.task.kind != TaskKind::MultiLabel
        && let (Some((first, a)), Some((last, b))) = (shares.first(), shares.last())
        && first != last
    {
        let moved = a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum::<f64>() / 2.0;
        parts.push(format!(
            "{} and {} differ by {} (total variation)",
            name(*first),
            name(*last),
            format::percent(moved)
        ));
    }
    parts.join("; ")
}
