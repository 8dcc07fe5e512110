//! How answers are printed: for people, as JSON, as CSV, as an array.

use std::io::{self, IsTerminal as _, Write as _};

use medley_core::text::widened;
use medley_package::{Answer, Model, NOTICE};
use medley_pictures::{Note, PictureError};
use medley_storage::Shown;
use serde::Serialize;

use medley_cli::args::predict::PredictArguments;
use medley_cli::failure::Usage;
use medley_cli::output;

/// What is printed of one picture.
pub(super) struct Answered<'a> {
    pub(super) file: &'a str,
    pub(super) model: &'a Model,
    pub(super) answer: &'a Answer,
    pub(super) notes: &'a [Note],
}

/// Prints answers one after another, as they come.
pub(super) enum Form {
    Text {
        top: usize,
    },
    Json {
        top: usize,
        first: bool,
    },
    Csv,
    /// Held until the end, as the number of rows stands first.
    Npy {
        width: usize,
        values: Vec<f32>,
    },
}

#[derive(Serialize)]
struct Item<'a> {
    file: &'a str,
    labels: Vec<&'a str>,
    /// In the order of the classes.
    probabilities: Vec<f64>,
    top: Vec<Top<'a>>,
    /// In nats.
    entropy: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    unlike: Option<UnlikeJson>,
    notes: &'a [Note],
}

#[derive(Serialize)]
struct Top<'a> {
    class: &'a str,
    probability: f64,
}

#[derive(Serialize)]
struct UnlikeJson {
    score: f64,
    threshold: f64,
    warning: bool,
}

#[derive(Serialize)]
struct Skipped<'a> {
    file: &'a str,
    error: String,
}

impl Form {
    pub(super) fn new(arguments: &PredictArguments) -> anyhow::Result<Self> {
        let top = arguments.top;
        if arguments.form.npy {
            if io::stdout().is_terminal() {
                return Err(Usage("--npy writes bytes to standard output: send it to a file with >".to_owned()).into());
            }
            return Ok(Self::Npy { width: 1, values: Vec::new() });
        }
        Ok(match (arguments.form.json, arguments.form.csv) {
            (true, _) => Self::Json { top, first: true },
            (_, true) => Self::Csv,
            _ => Self::Text { top },
        })
    }

    pub(super) fn begin(&mut self, model: &Model, count: usize) -> anyhow::Result<()> {
        match self {
            Self::Text { .. } => Ok(()),
            Self::Json { .. } => {
                let head = serde_json::json!({
                    "model": model.name(),
                    "task": model.task().name,
                    "classes": model.classes(),
                    "notice": NOTICE,
                    "images": count,
                    "temperature": model.decision().temperature().temperature,
                    "rule": model.decision().rule().name(),
                    "false_alarm_rate": model.unlike().map(|unlike| unlike.false_alarm_rate),
                });
                let head = serde_json::to_string_pretty(&head)?;
                output::document(&format!("{},\n  \"results\": [", head.trim_end_matches('}').trim_end()))
            }
            Self::Csv => {
                let fixed = ["file", "label", "entropy", "unlike"].into_iter().map(str::to_owned);
                output::document(&csv_line(fixed.chain(model.classes().iter().cloned())))
            }
            Self::Npy { width, values } => {
                *width = model.task().outputs();
                values.try_reserve(count.saturating_mul(*width))?;
                Ok(())
            }
        }
    }

    pub(super) fn answer(&mut self, answered: &Answered<'_>) -> anyhow::Result<()> {
        let Answered { file, answer, .. } = answered;
        match self {
            Self::Text { top } => output::line(&text(answered, *top)),
            Self::Json { top, first } => json_item(&result(answered, *top), first),
            Self::Csv => {
                let unlike = answer.unlike.map_or(String::new(), |unlike| unlike.warning.to_string());
                let fixed = [(*file).to_owned(), labels(answered).join("|"), number(answer.entropy), unlike];
                output::document(&csv_line(fixed.into_iter().chain(answer.probabilities.iter().map(|&p| number(p)))))
            }
            Self::Npy { values, .. } => {
                values.extend(&answer.probabilities);
                Ok(())
            }
        }
    }

    pub(super) fn skipped(&mut self, file: &str, error: &PictureError, model: &Model) -> anyhow::Result<()> {
        match self {
            Self::Json { first, .. } => json_item(&Skipped { file, error: error.to_string() }, first),
            Self::Npy { values, .. } => {
                values.extend(std::iter::repeat_n(f32::NAN, model.task().outputs()));
                Ok(())
            }
            Self::Text { .. } | Self::Csv => Ok(()),
        }
    }

    pub(super) fn finish(self) -> anyhow::Result<()> {
        match self {
            Self::Json { .. } => output::document("\n  ]\n}"),
            Self::Npy { width, values } => {
                let mut stdout = io::stdout().lock();
                let header = medley_npy::render_header("<f4", &[values.len() / width, width]);
                let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                match stdout.write_all(&header).and_then(|()| stdout.write_all(&bytes)).and_then(|()| stdout.flush()) {
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
                    other => Ok(other?),
                }
            }
            Self::Text { .. } | Self::Csv => Ok(()),
        }
    }
}

fn labels<'a>(answered: &Answered<'a>) -> Vec<&'a str> {
    answered
        .answer
        .labels
        .iter()
        .filter_map(|&label| answered.model.classes().get(usize::from(label)))
        .map(String::as_str)
        .collect()
}

fn top<'a>(answered: &Answered<'a>, k: usize) -> Vec<Top<'a>> {
    let class = |(index, probability): (u16, f32)| {
        let class = answered.model.classes().get(usize::from(index))?;
        Some(Top { class, probability: widened(probability) })
    };
    answered.answer.top(k).into_iter().filter_map(class).collect()
}

fn result<'a>(answered: &Answered<'a>, k: usize) -> Item<'a> {
    let Answered { file, model, answer, notes } = *answered;
    let unlike = answer.unlike.zip(model.unlike()).map(|(unlike, threshold)| UnlikeJson {
        score: widened(unlike.score),
        threshold: threshold.threshold,
        warning: unlike.warning,
    });
    Item {
        file,
        labels: labels(answered),
        probabilities: answer.probabilities.iter().map(|&probability| widened(probability)).collect(),
        top: top(answered, k),
        entropy: widened(answer.entropy),
        unlike,
        notes,
    }
}

/// One line: the file, the label, the most probable classes, and what to know of it.
fn text(answered: &Answered<'_>, k: usize) -> String {
    let label = match labels(answered).as_slice() {
        [] => "none".to_owned(),
        labels => labels.join(", "),
    };
    let top: Vec<String> =
        top(answered, k).iter().map(|top| format!("{} {:.1} %", top.class, 100.0 * top.probability)).collect();
    let mut text = format!(
        "{}: {label}  [{}; entropy {:.2}]",
        Shown(answered.file.as_ref()),
        top.join(", "),
        answered.answer.entropy
    );
    if answered.answer.unlike.is_some_and(|unlike| unlike.warning) {
        text.push_str("  UNLIKE the training images");
    }
    for note in answered.notes {
        text.push_str("; ");
        text.push_str(&note.to_string());
    }
    text
}

fn json_item(item: &impl Serialize, first: &mut bool) -> anyhow::Result<()> {
    let comma = if std::mem::take(first) { "" } else { ",\n" };
    let text = format!("{comma}    {}", serde_json::to_string(item)?);
    match write!(io::stdout().lock(), "{text}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

/// The shortest decimals that give the same 32 bits.
fn number(value: f32) -> String {
    widened(value).to_string()
}

/// Fields of a CSV, quoted where they must be.
fn csv_line(fields: impl Iterator<Item = String>) -> String {
    let field = |text: String| {
        if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
    };
    fields.map(field).collect::<Vec<_>>().join(",")
}
