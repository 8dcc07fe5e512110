//! `medley explain`.

pub(crate) mod asked;
mod gallery;
mod pictures;
mod rows;

use std::path::PathBuf;
use std::process::ExitCode;

use medley_core::TaskSpec;
use medley_explain::overlay::Drawing;
use medley_explain::{ExplainError, Explanation, MapNumbers, Method};
use medley_storage::{RealFs, StorageError, commit_directory};
use serde::Serialize;

use medley_cli::args::explain::{BaselineArgument, ExplainArguments, MethodArgument};
use medley_cli::failure::{Code, Usage};
use medley_cli::images_bar::images_bar;
use medley_cli::output;

use asked::Asked;

/// Pixels a side that a picture has at least.
const SIDE: usize = 224;
/// The numbers, beside the pictures.
const NUMBERS: &str = "explanations.json";
/// Images that are explained in one step of the bar.
const STEP: usize = 16;

/// `explanations.json`.
#[derive(Serialize)]
struct Document {
    notice: &'static str,
    model: String,
    method: String,
    baseline: &'static str,
    explanations: Vec<Entry>,
}

/// One image, in numbers.
#[derive(Serialize)]
struct Entry {
    image: String,
    task: String,
    class: String,
    class_index: usize,
    predicted: bool,
    probability: f64,
    logit: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    baseline_logit: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    residual: Option<f64>,
    map: MapNumbers,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
    picture: PathBuf,
}

pub(crate) fn run(arguments: &ExplainArguments) -> anyhow::Result<ExitCode> {
    if arguments.gallery {
        return gallery::run(arguments);
    }
    let Some(out) = &arguments.out else { return Err(Usage("--out is missing".to_owned()).into()) };
    if out.symlink_metadata().is_ok() {
        return Err(StorageError::Exists { path: out.clone() }.into());
    }
    let asked = match &arguments.model {
        Some(model) => pictures::open(arguments, model)?,
        None => rows::open(arguments)?,
    };
    let class = class_of(&asked.spec, &arguments.class)?;
    let baseline = baseline(arguments.baseline, &asked);
    let bar = images_bar(&asked.spec.name, asked.rows.len() as u64);
    let mut method = method(arguments, &asked);
    let (mut entries, mut files) = (Vec::new(), Vec::new());
    for (start, rows) in (0..).step_by(STEP).zip(asked.rows.chunks(STEP)) {
        let images = asked.tensor(rows)?;
        let probabilities = asked.probabilities(&images)?;
        let predicted: Vec<usize> = probabilities.iter().map(|row| most(row)).collect();
        let classes: Vec<usize> = predicted.iter().map(|&predicted| class.unwrap_or(predicted)).collect();
        let explained = asked.explain(&images, &classes, &mut method, arguments.method.is_none(), &baseline)?;
        for (index, one) in explained.iter().enumerate() {
            let name = asked.names[start + index].clone();
            files.push((format!("{name}.png"), draw(&asked, rows[index], one, arguments)?));
            let notes = asked.notes[start + index].clone();
            entries.push(Entry { notes, ..entry(&asked.spec, name, one, &probabilities[index], predicted[index]) });
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    if entries.is_empty() {
        output::note("there is no picture that can be explained; nothing was written");
        return Ok(ExitCode::from(Code::Data as u8));
    }
    let skipped = asked.skipped;
    let document = Document {
        notice: "Not for clinical use. A map shows what the network used, not what is there.",
        model: asked.model,
        method: method.to_string(),
        baseline: if arguments.baseline == BaselineArgument::Black {
            "black"
        } else {
            "mean colour of the training images"
        },
        explanations: entries,
    };
    write(out, &document, files)?;
    say(out, &document, arguments.json)?;
    Ok(if skipped > 0 { ExitCode::from(Code::Data as u8) } else { ExitCode::SUCCESS })
}

fn write(out: &std::path::Path, document: &Document, files: Vec<(String, Vec<u8>)>) -> anyhow::Result<()> {
    let numbers = serde_json::to_vec_pretty(document)?;
    let mut whole: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    whole.push((NUMBERS, &numbers));
    Ok(commit_directory(&RealFs, out, &whole)?)
}

fn say(out: &std::path::Path, document: &Document, json: bool) -> anyhow::Result<()> {
    if json {
        return output::json(document);
    }
    let row = |entry: &Entry| {
        let share = entry.map.share_inside.map_or_else(|| "-".to_owned(), |share| format!("{:.0} %", 100.0 * share));
        let inside = entry.map.inside.as_ref().map_or_else(
            || "-".to_owned(),
            |inside| inside.iter().map(|[first, last]| format!("{first}-{last}")).collect::<Vec<_>>().join(" x "),
        );
        let class = if entry.predicted { format!("{} (predicted)", entry.class) } else { entry.class.clone() };
        let map = entry.map.shape.iter().map(usize::to_string).collect::<Vec<_>>().join("x");
        let (probability, greatest) = (format!("{:.4}", entry.probability), format!("{:.4}", entry.map.max));
        vec![entry.image.clone(), class, probability, map, greatest, inside, share]
    };
    let header = ["image", "class", "probability", "map", "greatest", "strong places", "share there"];
    output::line(&output::table(&header, &document.explanations.iter().map(row).collect::<Vec<_>>()))?;
    output::line(&format!(
        "\n{} in {}. Probabilities are those of the network: without test-time views and temperature. {}",
        document.method,
        out.display(),
        document.notice
    ))
}

fn entry(spec: &TaskSpec, image: String, one: &Explanation, probabilities: &[f64], predicted: usize) -> Entry {
    Entry {
        picture: format!("{image}.png").into(),
        image,
        task: spec.name.clone(),
        class: spec.classes[one.class].clone(),
        class_index: one.class,
        predicted: predicted == one.class,
        probability: probabilities[one.class],
        logit: one.logit,
        baseline_logit: one.baseline_logit,
        residual: one.residual,
        map: one.map.numbers(),
        notes: Vec::new(),
    }
}

fn draw(asked: &Asked, row: usize, one: &Explanation, arguments: &ExplainArguments) -> Result<Vec<u8>, ExplainError> {
    let shape = asked.images.shape();
    let side = if shape.depth.is_some() { SIDE / 2 } else { SIDE };
    let scale = arguments.scale.unwrap_or_else(|| Drawing::scale_for(shape, side));
    Drawing::new(shape, asked.images.image(row), scale)?.strip(&one.map)
}

/// The method that was asked for; Grad-CAM, until a network turns out to have no feature map.
fn method(arguments: &ExplainArguments, asked: &Asked) -> Method {
    match arguments.method.unwrap_or(MethodArgument::GradCam) {
        MethodArgument::GradCam => Method::GradCam,
        MethodArgument::IntegratedGradients => Method::IntegratedGradients { steps: arguments.steps },
        MethodArgument::Occlusion => {
            // A network sees its images at the size that they are resized to, if they are; windows are of the images.
            let shape = asked.images.shape();
            let Method::Occlusion { window, .. } = Method::occlusion_of(shape.height, shape.depth.is_some()) else {
                return Method::GradCam;
            };
            let window = arguments.window.unwrap_or(window);
            let stride = if shape.depth.is_some() { window } else { window.div_ceil(2) };
            Method::Occlusion { window, stride: arguments.stride.unwrap_or(stride) }
        }
    }
}

/// In the units of the normalised images; empty is their mean.
fn baseline(argument: BaselineArgument, asked: &Asked) -> Vec<f32> {
    let statistics = &asked.normalisation;
    let black: Vec<f32> = statistics.mean.iter().zip(&statistics.std).map(|(mean, std)| -mean / std).collect();
    match argument {
        BaselineArgument::Mean => Vec::new(),
        BaselineArgument::Black if black.len() == 1 => vec![black[0]; medley_train::data::INPUT_CHANNELS],
        BaselineArgument::Black => black,
    }
}

/// The class of that name or number; `None` for the predicted one.
fn class_of(spec: &TaskSpec, text: &str) -> anyhow::Result<Option<usize>> {
    if text == "predicted" {
        return Ok(None);
    }
    let by_name = spec.classes.iter().position(|class| class == text);
    let by_number = text.parse().ok().filter(|&class: &usize| class < spec.classes.len());
    let Some(class) = by_name.or(by_number) else {
        let names = spec.classes.iter().enumerate().map(|(index, name)| format!("{index} {name:?}"));
        let known = names.collect::<Vec<_>>().join(", ");
        let problem = format!("--class {text:?} is not a class of {}; it has {known}, and `predicted`", spec.name);
        return Err(Usage(problem).into());
    };
    Ok(Some(class))
}

/// The index of the greatest, the first of equals.
fn most(values: &[f64]) -> usize {
    (1..values.len()).fold(0, |best, index| if values[index] > values[best] { index } else { best })
}
