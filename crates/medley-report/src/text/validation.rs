//! The validation results of a run whose test split is not scored: all that it has until then, and labelled so everywhere.

use medley_core::Split;
use medley_core::record::{ScoreSet, Spread};
use medley_metrics::summarise_sets;

use crate::RunRecord;
use crate::format::{self, MEAN_DECIMALS, NONE, TASK_DECIMALS};

/// What these results are worth.
pub(super) const OPTIMISTIC: &str =
    "Validation results, which are optimistic where epochs or settings were chosen on them.";

/// A task, its validation images, and AUC, ACC and macro-F1 over seeds; the last row is the harmonic mean. `None` of a run that
/// is tested or unfinished.
pub(super) fn rows(run: &RunRecord) -> Option<Vec<[String; 5]>> {
    if !run.untested {
        return None;
    }
    let sets: Vec<&ScoreSet> = run.seeds.iter().map(|seed| &seed.validation).collect();
    let spreads = summarise_sets(&sets);
    let find = |task: &str, metric: &str| -> Option<&Spread> {
        spreads.iter().find(|spread| spread.task == task && spread.metric == metric)
    };
    let of_task = |task: &str, metric: &str| format::spread(find(task, metric), TASK_DECIMALS);
    let mut rows: Vec<[String; 5]> = (run.data().iter().map(|data| &data.task))
        .map(|task| {
            let images = run.rows(&task.name, Split::Val);
            let images = images.map_or_else(|| NONE.to_owned(), |rows| format::count(rows as u64));
            let [auc, accuracy, macro_f1] = ["auc", "accuracy", "macro_f1"].map(|metric| of_task(&task.name, metric));
            [task.title.clone(), images, auc, accuracy, macro_f1]
        })
        .collect();
    let mean = format::spread(find("all", "harmonic_mean"), MEAN_DECIMALS);
    rows.push(["Harmonic mean".to_owned(), String::new(), String::new(), String::new(), mean]);
    Some(rows)
}
