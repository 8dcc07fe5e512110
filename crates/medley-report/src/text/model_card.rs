use std::fmt::Write as _;

use medley_core::{Origin, Split};

use super::markdown_summary::headline;
use crate::RunRecord;
use crate::facts;
use crate::format::{self, NONE, TASK_DECIMALS};
use crate::tables::{Table, escape_markdown};

/// A model card in Markdown, with the sections of Mitchell et al., *Model Cards for Model Reporting*, FAT* 2019. It states
/// what the run folder proves and leaves a marked gap where only its author can speak.
pub fn model_card(run: &RunRecord) -> String {
    let mut text = format!("# Model card: {}\n\n", escape_markdown(run.name()));
    if run.is_synthetic() {
        let _ = writeln!(text, "> **{}**\n", facts::SYNTHETIC);
    }
    for (title, body) in [
        ("Model details", details(run)),
        ("Intended use", intended_use(run)),
        ("Factors", factors(run)),
        ("Metrics", metrics(run)),
        ("Evaluation data", evaluation_data(run)),
        ("Training data", training_data(run)),
        ("Quantitative analyses", analyses(run)),
        ("Ethical considerations", ethics(run)),
        ("Caveats and recommendations", caveats(run)),
    ] {
        let _ = writeln!(text, "## {title}\n\n{}\n", body.trim_end());
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

fn details(run: &RunRecord) -> String {
    let environment = &run.manifest.environment;
    let mut items = vec![
        format!(
            "Trained with Medley {} (libtorch {}), {}.",
            environment.medley,
            environment.libtorch,
            format::date(&run.manifest.created)
        ),
        match run.data() {
            [data] => format!("One network for one task, {}.", data.task.title),
            all => format!("One network with a shared trunk and one head for each of {} tasks.", all.len()),
        },
    ];
    if let Some(backbone) = run.setting("net.backbone.name").or_else(|| run.setting("net.backbone")) {
        let width = run.setting("net.backbone.width").map_or_else(String::new, |width| format!(", width {width}"));
        items.push(format!("Backbone: {backbone}{width}."));
    }
    if let Some(folds) = &run.manifest.folds {
        let (index, count) = (folds.index + 1, folds.count);
        items.push(format!("Validated on fold {index} of {count} of the training and validation rows."));
    }
    if let Some(parent) = &run.manifest.parent {
        items.push(format!("Training began from the networks of the run {}.", parent.run));
    }
    if let Some(weights) = &run.manifest.pretrained {
        items.push(format!("The trunk started from {} (SHA-256 {}).", weights.file, weights.sha256));
    } else if run.pretrained() == "no" {
        items.push("All parameters started from random values.".to_owned());
    }
    if let Some(parameters) = run.history.seeds.iter().find_map(|seed| seed.parameters) {
        items.push(format!("Trainable parameters: {}.", format::count(parameters as u64)));
    }
    items.push(format!("Seeds: {}.", format::list(&run.manifest.seeds.iter().map(u64::to_string).collect::<Vec<_>>())));
    items.extend(facts::stops(run));
    items.push(format!("Config SHA-256: {}.", run.manifest.config_sha256));
    if let Some(revision) = &run.manifest.git_revision {
        items.push(format!("Source revision: {revision}."));
    }
    items.push("Developed by: _to be filled in by the author_. Contact: _to be filled in by the author_.".to_owned());
    let (last, facts) = items.split_last().map_or(("", &[][..]), |(last, facts)| (last.as_str(), facts));
    let mut text = String::new();
    for fact in facts {
        let _ = writeln!(text, "- {}", escape_markdown(fact));
    }
    let _ = writeln!(text, "- {last}");
    text
}

fn intended_use(run: &RunRecord) -> String {
    let official = facts::has(run, Origin::Official);
    format!(
        "- Intended: research and teaching on {}classification of small medical images{}.\n- **{}**\n- Out of scope: any image \
         that is not prepared as {} ({}), any decision about a person.\n- {}\n",
        if run.data().len() > 1 { "multi-task " } else { "" },
        if official { ", and comparison with published MedMNIST results" } else { "" },
        facts::not_clinical(run),
        if facts::has(run, Origin::User) { "those of its training data" } else { "MedMNIST prepares it" },
        sizes(run),
        escape_markdown(&facts::licences(run)),
    )
}

/// The sizes of the images, each once, in the order of the tasks.
fn sizes(run: &RunRecord) -> String {
    let mut sizes: Vec<String> = Vec::new();
    for data in run.data() {
        let size = data.task.shape.to_string();
        if !sizes.contains(&size) {
            sizes.push(size);
        }
    }
    format::list(&sizes)
}

fn factors(run: &RunRecord) -> String {
    let groups: Vec<String> = run
        .data()
        .iter()
        .map(|data| format!("{} ({}, {} classes)", data.task.title, data.task.kind, data.task.classes.len()))
        .collect();
    let place = if facts::has(run, Origin::User) { "in the data that Medley reads" } else { "in MedMNIST" };
    format!(
        "- Results are broken down by task and by class: {}.\n- Age, sex, ethnicity, device and site are not recorded {place}: \
         nothing can be said about differences between such groups.\n",
        escape_markdown(&format::list(&groups))
    )
}

fn metrics(run: &RunRecord) -> String {
    let seeds = run.results.as_ref().map_or(0, |results| results.seeds.len());
    format!(
        "- AUC and accuracy as the official MedMNIST evaluator defines them; macro-F1 as scikit-learn does \
         (`zero_division=0`){}.\n- {}; the test split was scored once, afterwards.\n- Variation: {}. {}\n",
        if run.data().len() > 1 { "; over tasks, the harmonic mean of macro-F1, which is 0 if any is 0" } else { "" },
        selection(run),
        if seeds > 1 { format!("standard deviation over {seeds} seeds") } else { "one seed, so no spread".to_owned() },
        facts::intervals(run),
    )
}

fn selection(run: &RunRecord) -> String {
    if run.keeps_last_epoch() {
        return "Each seed's network is that of its last epoch".to_owned();
    }
    let by = match run.setting("select.name").as_deref() {
        None | Some("macro_f1") => "harmonic mean".to_owned(),
        Some(name) => name.to_owned(),
    };
    format!("Each seed's epoch was selected by the validation {by}")
}

fn evaluation_data(run: &RunRecord) -> String {
    data_table(run, &[Split::Test])
}

fn training_data(run: &RunRecord) -> String {
    format!(
        "{}\nLabels of the test split were sealed during training and selection.\n",
        data_table(run, &[Split::Train, Split::Val])
    )
}

fn data_table(run: &RunRecord, splits: &[Split]) -> String {
    let mut table = Table::new(&["Task", "File", "Release", "MD5"]);
    table.header.extend(splits.iter().map(|split| format!("{split} images")));
    for data in run.data() {
        let release = facts::release(data);
        let mut row: Vec<String> = [&data.task.title, &data.file, &release, &data.md5].map(Clone::clone).to_vec();
        for split in splits {
            row.push(data.rows.get(split).map_or_else(|| NONE.to_owned(), |&rows| format::count(rows as u64)));
        }
        table.push(row);
    }
    table.markdown()
}

fn analyses(run: &RunRecord) -> String {
    let mut text = format!("{}\n", headline(run));
    let (Some(scores), Some(uncertainty)) = (run.final_scores(), run.uncertainty()) else { return text };
    let intervals = uncertainty.ensemble.as_ref().unwrap_or(&uncertainty.mean);
    let _ = writeln!(text, "\nUnitary results of {}:\n", run.final_predictor());
    let mut table = Table::new(&["Task", "AUC", "ACC", "ACC, 95 %", "macro-F1", "macro-F1, 95 %"]);
    for (index, task) in scores.tasks.iter().enumerate() {
        table.push([
            run.title_of(&task.task).to_owned(),
            format::number(task.auc, TASK_DECIMALS),
            format::number(Some(task.accuracy), TASK_DECIMALS),
            format::interval(intervals.tasks[index].accuracy.as_ref(), TASK_DECIMALS),
            format::number(Some(task.macro_f1), TASK_DECIMALS),
            format::interval(intervals.tasks[index].macro_f1.as_ref(), TASK_DECIMALS),
        ]);
    }
    text.push_str(&table.markdown());
    text.push_str("\nBy class:\n\n");
    let mut table = Table::new(&["Task", "Class", "Examples", "Predicted", "Precision", "Recall", "F1"]);
    for task in &scores.tasks {
        for class in &task.per_class {
            table.push([
                run.title_of(&task.task).to_owned(),
                class.name.clone(),
                format::count(class.support),
                if class.predicted == 0 && class.support > 0 { "never".into() } else { format::count(class.predicted) },
                format::number(Some(class.precision), TASK_DECIMALS),
                format::number(Some(class.recall), TASK_DECIMALS),
                format::number(Some(class.f1), TASK_DECIMALS),
            ]);
        }
    }
    text.push_str(&table.markdown());
    text
}

fn ethics(run: &RunRecord) -> String {
    let mut images = String::new();
    for (origin, sentence) in [
        (
            Origin::Official,
            "The images come from people. They were published by the sources that MedMNIST is made of, whose terms apply.",
        ),
        (Origin::Synthetic, "Synthetic images were generated and show nobody."),
        (
            Origin::User,
            "The user's own images may show people: whether they agreed to this use is for the owner of the images to say.",
        ),
    ] {
        if facts::has(run, origin) {
            let _ = writeln!(images, "- {sentence}");
        }
    }
    format!(
        "{images}- {}\n- A wrong answer of such a model on a patient can do harm: \
         that is why it must not be used on one.\n",
        escape_markdown(&facts::licences(run)),
    )
}

fn caveats(run: &RunRecord) -> String {
    let mut text = String::new();
    for caveat in facts::caveats(run) {
        let _ = writeln!(text, "- {}", escape_markdown(&caveat));
    }
    text.push_str("- Before comparing with another result, check how it was obtained: pretraining, input size, and the split on which its epoch was selected.\n");
    text
}
