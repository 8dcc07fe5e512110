use std::fmt::Write as _;

use medley_core::Split;
use medley_core::record::DataRecord;

use super::validation;
use crate::RunRecord;
use crate::facts;
use crate::format::{self, MEAN_DECIMALS, TASK_DECIMALS};
use crate::published::Official;
use crate::tables::{escape_latex, one_line};

/// A run as a LaTeX table for `\usepackage{booktabs}`: AUC, accuracy and macro-F1 of each task on the test split with the
/// 95 % interval of macro-F1, the official ResNet-18 beside them where there is one, and the harmonic mean. Of a
/// run that is not tested, the validation results; of an unfinished one, a comment.
pub fn latex(run: &RunRecord) -> String {
    if let Some(rows) = validation::rows(run) {
        return validation_table(run, &rows);
    }
    let Some(results) = &run.results else {
        return format!(
            "% {} is unfinished: no test results yet; `{}` continues.\n",
            one_line(run.name()),
            one_line(&run.next_command().unwrap_or_default())
        );
    };
    let official = Official::ResNet18.name_in(run);
    let mut text = start(run);
    let _ = writeln!(
        text,
        "\\begin{{table}}\n  \\centering\n  \\begin{{tabular}}{{lrcccc{}}}",
        if official.is_some() { "cc" } else { "" }
    );
    text.push_str("    \\toprule\n");
    if let Some(official) = official {
        let _ =
            writeln!(text, "    & & \\multicolumn{{4}}{{c}}{{This run}} & \\multicolumn{{2}}{{c}}{{{official}}} \\\\");
        text.push_str("    \\cmidrule(lr){3-6} \\cmidrule(lr){7-8}\n");
    }
    let mut header = ["Task", "Test images", "AUC", "ACC", "macro-F1", "95\\,\\% interval"].map(str::to_owned).to_vec();
    if official.is_some() {
        header.extend(["AUC", "ACC"].map(str::to_owned));
    }
    line(&mut text, &header);
    text.push_str("    \\midrule\n");
    for (index, data) in run.data().iter().enumerate() {
        line(&mut text, &cells(run, index, data, official.is_some()));
    }
    text.push_str("    \\midrule\n");
    line(&mut text, &total(run, official.is_some()));
    text.push_str("    \\bottomrule\n  \\end{tabular}\n");
    let _ = writeln!(text, "  \\caption{{{}}}\n\\end{{table}}", caption(run, results.seeds.len(), official));
    text
}

/// The validation results of a run that is not tested, as a table that says so.
fn validation_table(run: &RunRecord, rows: &[[String; 5]]) -> String {
    let mut text = start(run);
    let command = run.next_command().unwrap_or_default();
    let _ = writeln!(text, "% The test split is not scored: `{}` does that.", one_line(&command));
    text.push_str("\\begin{table}\n  \\centering\n  \\begin{tabular}{lrccc}\n    \\toprule\n");
    line(&mut text, &["Task", "Validation images", "AUC", "ACC", "macro-F1"].map(str::to_owned));
    text.push_str("    \\midrule\n");
    for (index, row) in rows.iter().enumerate() {
        if index + 1 == rows.len() {
            text.push_str("    \\midrule\n");
        }
        line(&mut text, &row.each_ref().map(|cell| escape_latex(cell)));
    }
    text.push_str("    \\bottomrule\n  \\end{tabular}\n");
    let (name, over) = (escape_latex(run.name()), over_seeds(run.seeds.len()));
    let warning = synthetic(run);
    let _ = writeln!(
        text,
        "  \\caption{{{warning}{name}: {over}. {} The test split is not scored.}}\n\\end{{table}}",
        validation::OPTIMISTIC
    );
    text
}

/// The comments above a table.
fn start(run: &RunRecord) -> String {
    let mut text =
        format!("% {}, made by Medley {}.\n", one_line(run.name()), one_line(&run.manifest.environment.medley));
    if run.is_synthetic() {
        let _ = writeln!(text, "% {}", facts::SYNTHETIC);
    }
    text
}

fn synthetic(run: &RunRecord) -> &'static str {
    if run.is_synthetic() { "\\textbf{Synthetic data.} " } else { "" }
}

fn over_seeds(seeds: usize) -> String {
    if seeds > 1 { format!("mean $\\pm$ standard deviation over {seeds} seeds") } else { "one seed".to_owned() }
}

fn line(text: &mut String, cells: &[String]) {
    let _ = writeln!(text, "    {} \\\\", cells.join(" & "));
}

fn cells(run: &RunRecord, index: usize, data: &DataRecord, official: bool) -> Vec<String> {
    let task = &data.task.name;
    let spread = |metric| escape_latex(&format::spread(run.spread(task, metric), TASK_DECIMALS));
    let interval = run.uncertainty().and_then(|all| all.mean.tasks[index].macro_f1.as_ref());
    let mut cells = vec![
        escape_latex(&data.task.title),
        run.rows(task, Split::Test).map_or_else(|| "--".to_owned(), |rows| format::count(rows as u64)),
        spread("auc"),
        spread("accuracy"),
        spread("macro_f1"),
        escape_latex(&format::interval(interval, TASK_DECIMALS)),
    ];
    if official {
        let metrics = Official::ResNet18.metrics(data);
        for value in [metrics.and_then(|metrics| metrics.auc), metrics.and_then(|metrics| metrics.accuracy)] {
            cells.push(escape_latex(&format::number(value, TASK_DECIMALS)));
        }
    }
    cells
}

fn total(run: &RunRecord, official: bool) -> Vec<String> {
    let interval = run.uncertainty().and_then(|all| all.mean.harmonic_mean.as_ref());
    let mut cells = vec!["Harmonic mean".to_owned(), String::new(), String::new(), String::new()];
    cells.push(escape_latex(&format::spread(run.spread("all", "harmonic_mean"), MEAN_DECIMALS)));
    cells.push(escape_latex(&format::interval(interval, MEAN_DECIMALS)));
    cells.extend(std::iter::repeat_n(String::new(), if official { 2 } else { 0 }));
    cells
}

fn caption(run: &RunRecord, seeds: usize, official: Option<&str>) -> String {
    let (synthetic, over) = (synthetic(run), over_seeds(seeds));
    let beside = official.map_or_else(String::new, |official| {
        format!(" {official}: MedMNIST v2, Scientific Data 10:41 (2023), from scratch on each set.")
    });
    format!(
        "{synthetic}Test results of {}: {over}. AUC and ACC as the official MedMNIST evaluator defines them. {}{}{beside}",
        escape_latex(run.name()),
        escape_latex(&facts::undefined_aucs(run).into_iter().map(|fact| fact + " ").collect::<String>()),
        escape_latex(&facts::intervals(run)),
    )
}
