use std::fmt::Write as _;

use medley_core::Split;

use super::escape_latex;
use crate::RunRecord;
use crate::facts;
use crate::format::{self, MEAN_DECIMALS, TASK_DECIMALS};

/// A run as a LaTeX table for `\usepackage{booktabs}`: AUC, accuracy and macro-F1 of each task on the test split with the
/// 95 % interval of macro-F1, and the harmonic mean. Of an unfinished run, a comment.
pub fn latex(run: &RunRecord) -> String {
    let Some(results) = &run.results else {
        return format!("% {} is unfinished: no test figures yet.\n", comment(run.name()));
    };
    let mut text =
        format!("% {}, made by Medley {}.\n", comment(run.name()), comment(&run.manifest.environment.medley));
    if run.is_synthetic() {
        let _ = writeln!(text, "% {}", facts::SYNTHETIC);
    }
    text.push_str("\\begin{table}\n  \\centering\n  \\begin{tabular}{lrcccc}\n    \\toprule\n");
    text.push_str("    Task & Test images & AUC & ACC & macro-F1 & 95\\,\\% interval \\\\\n    \\midrule\n");
    for (index, data) in run.data().iter().enumerate() {
        let task = &data.task.name;
        let cell = |metric| escape_latex(&format::spread(run.spread(task, metric), TASK_DECIMALS));
        let interval = run.uncertainty().and_then(|all| all.one_seed.macro_f1[index].as_ref());
        let _ = writeln!(
            text,
            "    {} & {} & {} & {} & {} & {} \\\\",
            escape_latex(&data.task.title),
            run.rows(task, Split::Test).map_or_else(|| "--".to_owned(), |rows| format::count(rows as u64)),
            cell("auc"),
            cell("accuracy"),
            cell("macro_f1"),
            escape_latex(&format::interval(interval, TASK_DECIMALS)),
        );
    }
    let interval = run.uncertainty().and_then(|all| all.one_seed.harmonic_mean.as_ref());
    let _ = writeln!(
        text,
        "    \\midrule\n    Harmonic mean & & & & {} & {} \\\\",
        escape_latex(&format::spread(run.spread("all", "harmonic_mean"), MEAN_DECIMALS)),
        escape_latex(&format::interval(interval, MEAN_DECIMALS)),
    );
    let _ = writeln!(
        text,
        "    \\bottomrule\n  \\end{{tabular}}\n  \\caption{{{}}}\n\\end{{table}}",
        caption(run, results.seeds.len())
    );
    text
}

fn caption(run: &RunRecord, seeds: usize) -> String {
    let synthetic = if run.is_synthetic() { "\\textbf{Synthetic data.} " } else { "" };
    let over =
        if seeds > 1 { format!("mean $\\pm$ standard deviation over {seeds} seeds") } else { "one seed".to_owned() };
    format!(
        "{synthetic}Test figures of {}: {over}. AUC and ACC as the official MedMNIST evaluator defines them. Intervals: \
         bootstrap over test images{}.",
        escape_latex(run.name()),
        if seeds > 1 { ", seeds pooled" } else { "" }
    )
}

/// A text on one line.
fn comment(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}
