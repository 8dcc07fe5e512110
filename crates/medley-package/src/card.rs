//! The model card of a package, as the Hugging Face Hub reads it.

use std::fmt::Write as _;

use medley_core::{Origin, TaskKind};

use crate::{Model, NOTICE, OverSeeds, Package, TaskMetrics, UnlikeScore};

/// Whom users of MedMNIST are asked to name.
const CITATION: &str = "MedMNIST: Yang et al., *MedMNIST v2: A large-scale lightweight benchmark for 2D and 3D biomedical image \
                        classification*, Scientific Data 10, 41 (2023).";

impl Package {
    /// The text of `README.md`: metadata in YAML with a `model-index` (data set, metrics, licence), then what people should know.
    pub fn card(&self) -> String {
        let mut text = format!("---\n{}---\n\n# {}\n\n", self.metadata(), self.name());
        if self.models().iter().any(|model| model.task().origin == Origin::Synthetic) {
            text.push_str(
                "> **SYNTHETIC**: trained on drawn images. Its scores say nothing about medicine or the benchmark.\n\n",
            );
        }
        let _ = writeln!(
            text,
            "> **{NOTICE}.** For research and teaching only: nothing that this model says may be used for diagnosis or treatment.\n"
        );
        let lineage = self.models()[0].lineage();
        let _ = writeln!(
            text,
            "Trained with Medley {}: run `{}`, seed {}, {} epochs. SHA-256 of its config: `{}`.\n",
            lineage.medley, lineage.run, lineage.seed, lineage.epoch, lineage.config_sha256
        );
        self.models().iter().for_each(|model| text.push_str(&of_task(model)));
        let _ = write!(
            text,
            "## Use\n\n```\nmedley models verify DIR\nmedley predict picture.png --model DIR{}\n```\n\n\
             `model.toml` says what the network takes and how its answers are to be read; `{}` holds its parameters ({} bytes).\n",
            if self.models().len() > 1 { format!(" --task {}", self.models()[0].task().name) } else { String::new() },
            self.weights().file,
            self.weights().bytes,
        );
        self.licences(&mut text);
        text
    }

    /// What those who share the weights have to say and to heed.
    fn licences(&self, text: &mut String) {
        text.push_str(
            "\n## Licence\n\nThe weights are derived from the training images and are shared under their licence:\n\n",
        );
        for model in self.models() {
            let (title, licence) = (&model.task().title, &model.data().licence);
            let address = match licence.name() {
                "CC BY 4.0" => " (<https://creativecommons.org/licenses/by/4.0/>)",
                "CC BY-NC 4.0" => " (<https://creativecommons.org/licenses/by-nc/4.0/>)",
                _ => "",
            };
            let _ = write!(text, "- {title}: {}{address}.", licence.name());
            if licence.is_noncommercial() {
                text.push_str(" **Commercial use is excluded.**");
            }
            text.push('\n');
        }
        if self.models().iter().any(|model| model.task().origin == Origin::Official) {
            let _ = write!(text, "\n{CITATION}\n");
        }
    }

    fn metadata(&self) -> String {
        let mut yaml = String::new();
        let licence = self.licence();
        let _ = writeln!(yaml, "license: {licence}");
        if licence == "other" {
            let _ = writeln!(yaml, "license_name: {}", quoted(self.models()[0].data().licence.name()));
        }
        yaml.push_str("library_name: medley\npipeline_tag: image-classification\ntags:\n- medical\n- medmnist\n");
        let _ = writeln!(yaml, "model-index:\n- name: {}\n  results:", quoted(self.name()));
        for model in self.models() {
            let sets =
                model.metrics().iter().filter(|(split, _)| *split == "test" || !model.metrics().contains_key("test"));
            for (split, metrics) in sets {
                index(&mut yaml, model, split, metrics);
            }
        }
        if !self.models().iter().any(|model| !model.metrics().is_empty()) {
            yaml.push_str("  []\n");
        }
        yaml
    }

    /// The identifier of the strictest licence among those of the data, as the Hub lists them.
    fn licence(&self) -> &'static str {
        let names = || self.models().iter().map(|model| &model.data().licence);
        if names().any(|licence| !matches!(licence.name(), "CC BY 4.0" | "CC BY-NC 4.0")) {
            return "other";
        }
        if names().any(crate::Licence::is_noncommercial) { "cc-by-nc-4.0" } else { "cc-by-4.0" }
    }
}

/// One entry of the `model-index`.
fn index(yaml: &mut String, model: &Model, split: &str, metrics: &TaskMetrics) {
    let split = if split == "val" { "validation" } else { split };
    let _ = write!(
        yaml,
        "  - task:\n      type: image-classification\n      name: Image Classification\n    dataset:\n      name: {}\n      \
         type: {}\n      split: {split}\n    metrics:\n",
        quoted(&model.task().title),
        quoted(&model.task().name),
    );
    let mut metric = |kind: &str, name: &str, value: f64| {
        let _ = write!(yaml, "    - type: {kind}\n      name: {name}\n      value: {value:.4}\n");
    };
    metric("accuracy", "Accuracy", metrics.accuracy);
    metric("f1", "Macro-F1", metrics.macro_f1);
    if let Some(auc) = metrics.auc {
        metric("roc_auc", "AUC", auc);
    }
}

/// A string of YAML; names have no control characters.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn of_task(model: &Model) -> String {
    let (task, data) = (model.task(), model.data());
    let mut text = format!("## {}\n\n", task.title);
    let what = if task.kind == TaskKind::MultiLabel { "Labels" } else { "Classes" };
    let classes: Vec<String> = task.classes.iter().enumerate().map(|(at, class)| format!("{at} {class}")).collect();
    let _ = writeln!(text, "- Task: {}. {what}: {}.", task.kind, classes.join(", "));
    let _ = writeln!(
        text,
        "- Input: {} pixels. Pictures of other sizes: {}.",
        model.input(),
        match model.resizing().fit {
            medley_pictures::Fit::Crop => "cut to the square in the middle, then resized",
            medley_pictures::Fit::Pad => "resized with bars beside them",
            medley_pictures::Fit::Stretch => "resized, each edge by its own factor",
        }
    );
    let _ = writeln!(
        text,
        "- Trained on `{}` (SHA-256 `{}`). Licence of the data: {}.",
        data.file,
        data.sha256,
        data.licence.name()
    );
    if data.release.is_none() && task.origin == Origin::Official {
        text.push_str(
            "- That file is none that MedMNIST has published, so its scores are not those of a published set.\n",
        );
    }
    for (split, metrics) in model.metrics() {
        let auc = metrics.auc.map_or_else(|| "not defined".to_owned(), |auc| format!("{auc:.4}"));
        let (accuracy, f1) = (metrics.accuracy, metrics.macro_f1);
        let chosen = if split == "val" { " (optimistic where the epoch or the seed was chosen by it)" } else { "" };
        let _ = writeln!(text, "- Scores on {split}{chosen}: AUC {auc}, accuracy {accuracy:.4}, macro-F1 {f1:.4}.");
    }
    for (split, OverSeeds { seeds, mean, standard_deviation }) in model.over_seeds() {
        let auc = mean.auc.zip(standard_deviation.auc);
        let auc = auc.map_or_else(String::new, |(mean, deviation)| format!("AUC {mean:.3} ± {deviation:.3}, "));
        let _ = writeln!(
            text,
            "- Mean and standard deviation of the {seeds} seeds of the run on {split}: {auc}accuracy {:.3} ± {:.3}, macro-F1 {:.3} ± {:.3}.",
            mean.accuracy, standard_deviation.accuracy, mean.macro_f1, standard_deviation.macro_f1
        );
    }
    let _ = writeln!(
        text,
        "- Decision: rule {}, temperature {}. The scores above are of the most probable class.",
        model.decision().rule().name(),
        model.decision().temperature().temperature
    );
    match model.unlike() {
        Some(unlike) => {
            let what = match unlike.score {
                UnlikeScore::Energy => "energy",
                UnlikeScore::Features => {
                    "distance in the space of the network's features (of Mahalanobis, about 1 for them)"
                }
            };
            let _ = writeln!(
                text,
                "- An image whose {what} is above {:.4} is called unlike the training images; so were {:.1} % of {} validation images.",
                unlike.threshold,
                100.0 * unlike.false_alarm_rate,
                unlike.rows
            );
        }
        None => text.push_str("- No threshold was chosen above which an image is called unlike the training images.\n"),
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("example.toml");

    #[test]
    fn the_hub_finds_what_it_looks_for() {
        let card = Package::example().card();
        let metadata = card.split("---\n").nth(1).unwrap();
        assert!(metadata.starts_with("license: cc-by-4.0\nlibrary_name: medley\n"), "{metadata}");
        assert!(
            metadata.contains("model-index:\n- name: \"breast-1.breastmnist\"\n  results:\n  - task:"),
            "{metadata}"
        );
        // There are no scores on the test split, so those of validation are there, by their name.
        assert!(metadata.contains("split: validation") && metadata.contains("value: 0.8700"), "{metadata}");
        assert!(card.contains("**Not for clinical use.**"));
        assert!(
            card.contains(
                "of the 5 seeds of the run on test: AUC 0.901 ± 0.007, accuracy 0.890 ± 0.020, macro-F1 0.860 ± 0.030."
            ),
            "{card}"
        );
    }

    #[test]
    fn the_strictest_licence_holds() {
        let card = |licence: &str| Package::parse(&EXAMPLE.replace("CC BY 4.0", licence)).unwrap().card();
        assert!(card("CC BY-NC 4.0").contains("license: cc-by-nc-4.0"));
        assert!(card("CC BY-NC 4.0").contains("Commercial use is excluded"));
        assert!(
            card("CC BY 4.0").contains("- BreastMNIST: CC BY 4.0 (<https://creativecommons.org/licenses/by/4.0/>).\n")
        );
        assert!(card("CC BY 4.0").contains("\n\nMedMNIST: Yang et al."));
        assert!(card("my \\\"own\\\"").contains("license: other\nlicense_name: \"my \\\"own\\\"\""));
    }
}
