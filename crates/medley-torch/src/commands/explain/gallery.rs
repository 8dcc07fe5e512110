//! `medley explain RUN --gallery`: errors and close calls of the validation split, with maps, for the report.

use std::process::ExitCode;
use std::sync::Arc;

use medley_augment::Normalisation;
use medley_core::record::{Gallery, GalleryCase, GalleryNeighbour, GalleryTask, LARGEST_GALLERY, SCHEMA_VERSION};
use medley_core::text::plural;
use medley_core::{ImageSource, Labels, Scores, Split, TaskKind};
use medley_explain::gallery::{Choice, choose, nearest, sampled};
use medley_explain::overlay::{Drawing, base64, shrunk};
use medley_explain::{AttributionMap, Method};
use medley_models::Segment;
use medley_report::write_report;
use medley_storage::{ConfinedFolder, ConfinedFs, RealFs, write_whole};
use tch::Kind;

use medley_cli::args::explain::ExplainArguments;
use medley_cli::images_bar::images_bar;
use medley_cli::output;

use super::asked::{Asked, normalised, probabilities};
use super::rows::{open_run, source_of};
use super::{baseline, method};
use crate::commands::train;

/// Images of a kind in a task, if they fit.
const CASES: usize = 4;
/// Nearest training images of each.
const NEIGHBOURS: usize = 3;
/// Training images among which they are looked for.
const SEARCHED: usize = 20_000;
/// Pixels a side of pictures, and of overlays at least.
const PICTURE: usize = 112;
const OVERLAY: usize = 84;
/// Images in one pass.
const BATCH: usize = 128;

pub(super) fn run(arguments: &ExplainArguments) -> anyhow::Result<ExitCode> {
    let opened = open_run(arguments)?;
    let session = train::session(&opened.data, &arguments.reading);
    let learning = session.learning_data(&opened.experiment, &opened.layout, &opened.manifest)?;
    let mut net = Some(opened.net);
    let mut used = Method::GradCam;
    let mut tasks = Vec::new();
    for (task, spec) in learning.tasks.iter().enumerate() {
        let Some(owned) = net.take() else { break };
        let (images, normalisation) = source_of(&learning.val, task)?;
        let rows = (0..images.len()).collect();
        let asked = Asked {
            model: String::new(),
            net: owned,
            task,
            spec: spec.clone(),
            images,
            normalisation,
            rows,
            names: Vec::new(),
            notes: Vec::new(),
            skipped: 0,
        };
        let (train_images, _) = source_of(&learning.train, task)?;
        let labels = [&learning.val_labels[task], &learning.train_labels[task]];
        tasks.push(of_task(&asked, &train_images, labels, arguments, &mut used)?);
        net = Some(asked.net);
    }
    let mut gallery = Gallery {
        schema_version: SCHEMA_VERSION,
        run: opened.manifest.run.clone(),
        split: Split::Val,
        seed: opened.seed,
        epoch: opened.epoch,
        method: used.to_string(),
        tasks,
    };
    let bytes = fitting(&mut gallery)?;
    let storage = ConfinedFs::new(ConfinedFolder::new(opened.layout.root()), RealFs);
    write_whole(&storage, &opened.layout.gallery(), &bytes)?;
    let report = write_report(&opened.layout, &RealFs)?;
    if arguments.json {
        output::json(&gallery)?;
    } else {
        let images: usize = gallery.tasks.iter().map(|task| task.errors.len() + task.hits.len()).sum();
        let (path, size) = (opened.layout.gallery(), output::bytes(bytes.len() as u64));
        output::line(&format!("gallery {} ({}, {size})", path.display(), plural(images, "image")))?;
        output::line(&format!("report  {}", report.display()))?;
        output::line("Not for clinical use.")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The document, with as many images of each kind as fit.
fn fitting(gallery: &mut Gallery) -> anyhow::Result<Vec<u8>> {
    for most in (0..CASES).rev() {
        let bytes = serde_json::to_vec(gallery)?;
        if bytes.len() as u64 <= LARGEST_GALLERY {
            return Ok(bytes);
        }
        for task in &mut gallery.tasks {
            task.errors.truncate(most);
            task.hits.truncate(most);
        }
    }
    Ok(serde_json::to_vec(gallery)?)
}

fn of_task(
    asked: &Asked,
    train_images: &Arc<dyn ImageSource>,
    [labels, train_labels]: [&Labels; 2],
    arguments: &ExplainArguments,
    used: &mut Method,
) -> anyhow::Result<GalleryTask> {
    let searched = sampled(train_images.len(), SEARCHED);
    let bar = images_bar(&asked.spec.name, (asked.images.len() + searched.len()) as u64);
    let seen = look(asked, &asked.images, &asked.normalisation, &asked.rows, &bar)?;
    let scores = Scores::new(seen.probabilities.concat(), asked.rows.len(), asked.spec.outputs())?;
    let chosen = choose(asked.spec.kind, &scores, labels, CASES);
    let trained = look(asked, train_images, &asked.normalisation, &searched, &bar)?;
    bar.finish_and_clear();
    let known = Known { images: train_images, labels: train_labels, rows: &searched, features: &trained.features };
    let mut cases = |choices: &[Choice]| -> anyhow::Result<Vec<GalleryCase>> {
        let rows: Vec<usize> = choices.iter().map(|choice| choice.row).collect();
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let classes: Vec<usize> = choices.iter().map(|choice| usize::from(choice.explained())).collect();
        let mut how = method(arguments, asked);
        let baseline = baseline(arguments.baseline, asked);
        let maps = asked.explain(&asked.tensor(&rows)?, &classes, &mut how, arguments.method.is_none(), &baseline)?;
        *used = how;
        let width = seen.features.len() / asked.rows.len().max(1);
        (choices.iter().zip(&maps))
            .map(|(choice, one)| {
                let query = &seen.features[choice.row * width..][..width];
                case(asked, choice, &one.map, known.near(query, choice)?)
            })
            .collect()
    };
    Ok(GalleryTask {
        task: asked.spec.name.clone(),
        rows: asked.rows.len(),
        wrong: chosen.wrong,
        training_rows: train_images.len(),
        searched: searched.len(),
        errors: cases(&chosen.errors)?,
        hits: cases(&chosen.hits)?,
    })
}

/// What a network says of images.
struct Seen {
    probabilities: Vec<Vec<f64>>,
    /// `[N, F]`.
    features: Vec<f32>,
}

fn look(
    asked: &Asked,
    images: &Arc<dyn ImageSource>,
    normalisation: &Normalisation,
    rows: &[usize],
    bar: &indicatif::ProgressBar,
) -> anyhow::Result<Seen> {
    let mut seen = Seen { probabilities: Vec::with_capacity(rows.len()), features: Vec::new() };
    for rows in rows.chunks(BATCH) {
        let images = normalised(images, normalisation, rows)?;
        let segment = Segment { task: asked.task, start: 0, len: rows.len() as i64 };
        let trace = tch::no_grad(|| asked.net.trace(&images, &[segment]))?;
        seen.probabilities.extend(probabilities(asked.spec.kind, &trace.logits[0])?);
        let features = trace.features.f_to_kind(Kind::Float)?.f_contiguous()?.f_view([-1])?;
        seen.features.extend(Vec::<f32>::try_from(features)?);
        bar.inc(rows.len() as u64);
    }
    Ok(seen)
}

/// Training images that were looked at.
struct Known<'a> {
    images: &'a Arc<dyn ImageSource>,
    labels: &'a Labels,
    rows: &'a [usize],
    features: &'a [f32],
}

impl Known<'_> {
    fn near(&self, query: &[f32], choice: &Choice) -> anyhow::Result<Vec<GalleryNeighbour>> {
        let near = nearest(self.features, query, NEIGHBOURS);
        let neighbour = |(index, similarity): (usize, f64)| {
            let row = self.rows[index];
            let truth = self.labels.row(row)[usize::from(choice.label.unwrap_or(0))];
            Ok(GalleryNeighbour { row, truth, similarity, picture: picture(self.images, row)? })
        };
        near.into_iter().map(neighbour).collect()
    }
}

fn picture(images: &Arc<dyn ImageSource>, row: usize) -> anyhow::Result<String> {
    let (shape, pixels) = shrunk(images.shape(), images.image(row), PICTURE);
    Ok(base64(&Drawing::new(shape, &pixels, 1)?.picture()?))
}

fn case(
    asked: &Asked,
    choice: &Choice,
    map: &AttributionMap,
    neighbours: Vec<GalleryNeighbour>,
) -> anyhow::Result<GalleryCase> {
    let (shape, pixels) = shrunk(asked.images.shape(), asked.images.image(choice.row), PICTURE);
    let scale = if shape.depth.is_some() { 1 } else { Drawing::scale_for(shape, OVERLAY) };
    let numbers = map.numbers();
    let region = match (numbers.inside.as_deref(), map.shape()) {
        (Some([[top, bottom], [left, right]]), [height, width]) => {
            let part = |at: usize, side: usize| at as f64 / side as f64;
            Some([part(*top, *height), part(*left, *width), part(bottom + 1, *height), part(right + 1, *width)])
        }
        _ => None,
    };
    Ok(GalleryCase {
        row: choice.row,
        truth: choice.truth,
        predicted: choice.predicted,
        label: choice.label.filter(|_| asked.spec.kind == TaskKind::MultiLabel),
        confidence: choice.confidence,
        explained: choice.explained(),
        picture: picture(&asked.images, choice.row)?,
        overlay: base64(&Drawing::new(shape, &pixels, scale)?.overlay(map)?),
        greatest: f64::from(numbers.max),
        region,
        share_inside: numbers.share_inside.map(|share| share.clamp(0.0, 1.0)),
        neighbours,
    })
}
