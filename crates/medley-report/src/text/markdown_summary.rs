use std::fmt::Write as _;

use medley_core::Split;

use super::validation;
use crate::RunRecord;
use crate::facts;
use crate::format::{self, MEAN_DECIMALS, NONE, TASK_DECIMALS};
use crate::published::{self, Official};
use crate::tables::{Table, escape_markdown};

/// A run in one screen of Markdown: the headline, the table of tasks, and what to know before quoting it.
pub fn markdown(run: &RunRecord) -> String {
    let mut text = format!("# {}\n\n", escape_markdown(run.name()));
    if run.is_synthetic() {
        let _ = writeln!(text, "> **{}**\n", facts::SYNTHETIC);
    }
    let _ = writeln!(text, "{}\n", headline(run));
    if run.results.is_some() {
        text.push_str(&table(run));
        text.push('\n');
        text.push_str(&published_table(run));
        let _ = writeln!(text, "- {}", escape_markdown(&facts::intervals(run)));
    }
    if let Some(rows) = validation::rows(run) {
        let mut table = Table::new(&["Task", "Validation images", "AUC", "ACC", "macro-F1"]);
        for row in rows {
            table.push(row);
        }
        let _ = writeln!(text, "{}\n\n{}", validation::OPTIMISTIC, table.markdown());
    }
    if let Some(stops) = facts::stops(run) {
        let _ = writeln!(text, "- {}", escape_markdown(&stops));
    }
    for caveat in facts::caveats(run).iter().filter(|caveat| *caveat != facts::SYNTHETIC) {
        let _ = writeln!(text, "- {}", escape_markdown(caveat));
    }
    let _ = writeln!(text, "- {} {}", facts::not_clinical(run), escape_markdown(&facts::licences(run)));
    text
}

/// The result in one sentence or two.
pub(crate) fn headline(run: &RunRecord) -> String {
    let Some(results) = &run.results else {
        let planned = run.history.planned_epochs.map_or_else(String::new, |epochs| {
            format!(" of {}", format::count((epochs * run.manifest.seeds.len()) as u64))
        });
        let command = run.next_command().unwrap_or_default();
        if run.untested {
            return format!(
                "**Not tested**: all epochs are done, and the test split is not scored. `{command}` does that."
            );
        }
        return format!(
            "**Unfinished**: {}{planned} epochs are done, there are no test results yet. `{command}` continues.",
            format::count(run.history.finished_epochs() as u64)
        );
    };
    let uncertainty = run.uncertainty();
    let mut text = format!(
        "{}, test split: **{}** ({}; 95 % interval {}).",
        escape_markdown(&facts::measure(run)),
        format::spread(run.spread("all", "harmonic_mean"), MEAN_DECIMALS),
        format::plural(results.seeds.len(), "seed"),
        format::interval(uncertainty.and_then(|all| all.mean.harmonic_mean.as_ref()), MEAN_DECIMALS),
    );
    if let Some(ensemble) = &results.ensemble {
        let interval = uncertainty.and_then(|all| all.ensemble.as_ref()?.harmonic_mean.as_ref());
        let _ = write!(
            text,
            " Ensemble of the seeds: **{:.MEAN_DECIMALS$}** ({}).",
            ensemble.harmonic_mean,
            format::interval(interval, MEAN_DECIMALS)
        );
    }
    text
}

/// The official ResNet-18 and the best published results beside ours; nothing where nothing is published.
fn published_table(run: &RunRecord) -> String {
    let official = Official::ResNet18.name_in(run).unwrap_or("ResNet-18");
    let header = [
        "Task",
        "ACC, ours",
        &format!("ACC, {official}"),
        "ACC, best published",
        "macro-F1, ours",
        "macro-F1, best published",
    ];
    let mut table = Table::new(&header);
    for data in run.data().iter().filter(|data| !published::of_task(data).is_empty()) {
        let mean =
            |metric| format::number(run.spread(&data.task.name, metric).map(|spread| spread.mean), TASK_DECIMALS);
        let best = |metric| {
            published::best(data, metric)
                .map_or_else(|| NONE.to_owned(), |(row, _, value)| format!("{value:.TASK_DECIMALS$} {}", row.method))
        };
        table.push([
            data.task.title.clone(),
            mean("accuracy"),
            format::number(Official::ResNet18.metrics(data).and_then(|metrics| metrics.accuracy), TASK_DECIMALS),
            best(|metrics| metrics.accuracy),
            mean("macro_f1"),
            best(|metrics| metrics.macro_f1),
        ]);
    }
    if table.rows.is_empty() {
        return String::new();
    }
    format!(
        "Beside published results (best: from images no larger than ours, some of them pretrained; report.html says what \
         differs):\n\n{}\n",
        table.markdown()
    )
}

fn table(run: &RunRecord) -> String {
    let ensemble = run.results.as_ref().and_then(|results| results.ensemble.as_ref());
    let mut header = vec!["Task", "Test images", "AUC", "ACC", "macro-F1", "macro-F1, 95 %"];
    if ensemble.is_some() {
        header.extend(["Ensemble AUC", "Ensemble ACC", "Ensemble macro-F1"]);
    }
    let mut table = Table::new(&header);
    for (index, data) in run.data().iter().enumerate() {
        let task = &data.task.name;
        let cell = |metric| format::spread(run.spread(task, metric), TASK_DECIMALS);
        let interval = run.uncertainty().and_then(|all| all.mean.tasks[index].macro_f1.as_ref());
        let mut row = vec![
            data.task.title.clone(),
            run.rows(task, Split::Test).map_or_else(|| NONE.to_owned(), |rows| format::count(rows as u64)),
            cell("auc"),
            cell("accuracy"),
            cell("macro_f1"),
            format::interval(interval, TASK_DECIMALS),
        ];
        if let Some(ensemble) = ensemble.map(|ensemble| &ensemble.tasks[index]) {
            row.push(format::number(ensemble.auc, TASK_DECIMALS));
            row.push(format::number(Some(ensemble.accuracy), TASK_DECIMALS));
            row.push(format::number(Some(ensemble.macro_f1), TASK_DECIMALS));
        }
        table.push(row);
    }
    table.markdown()
}
