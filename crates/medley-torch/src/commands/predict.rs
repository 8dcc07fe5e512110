//! `medley predict`.

mod form;

use std::process::ExitCode;

use medley_models::device;
use medley_package::NOTICE;
use medley_pictures::Rules;
use medley_predict::{ComputeOptions, Inputs, Outcome, classify_all};

use medley_cli::args::predict::PredictArguments;
use medley_cli::failure::Code;
use medley_cli::images_bar::images_bar;
use medley_cli::output;

use super::bundle;
use form::{Answered, Form};

pub(crate) fn run(arguments: &PredictArguments) -> anyhow::Result<ExitCode> {
    let mut form = Form::new(arguments)?;
    let source = bundle::Source {
        model: &arguments.model,
        task: arguments.task.as_deref(),
        seed: arguments.seed,
        data: &arguments.data,
    };
    let bundle = bundle::open(&source)?;
    let task = bundle.task(arguments.task.as_deref())?;
    let threads = arguments.threads.map(usize::from);
    let options = ComputeOptions { device: Some(device::parse(&arguments.device)?), threads };
    let model = bundle.package().models()[task].clone();
    let rules = rules(arguments, model.picture_rules());
    let mut inputs = Inputs::default();
    for path in &arguments.inputs {
        inputs.add(path, arguments.member.as_deref(), &rules)?;
    }
    let mut classifier = bundle.classifier(task, options)?;
    let bar = images_bar(&model.task().name, inputs.len() as u64);
    let (mut skipped, mut unlike) = (0, 0);
    form.begin(classifier.model(), inputs.len())?;
    let batch_size = bundle.package().compute().batch_size;
    classify_all::<anyhow::Error>(classifier.as_mut(), &inputs, &rules, batch_size, |index, outcome| {
        bar.inc(1);
        let name = inputs.name(index);
        match outcome {
            Outcome::Answered(answer, notes) => {
                unlike += usize::from(answer.unlike.is_some_and(|unlike| unlike.warning));
                bar.suspend(|| form.answer(&Answered { file: &name, model: &model, answer: &answer, notes: &notes }))
            }
            Outcome::Skipped(error) => {
                skipped += 1;
                bar.suspend(|| {
                    output::note(&format!("skipped: `{name}`: {}", error.with_option()));
                    form.skipped(&name, &error, &model)
                })
            }
        }
    })?;
    bar.finish_and_clear();
    form.finish()?;
    say(inputs.len(), skipped, unlike, &model);
    Ok(if skipped > 0 { ExitCode::from(Code::Data as u8) } else { ExitCode::SUCCESS })
}

/// The remarks at the end, on standard error.
fn say(count: usize, skipped: usize, unlike: usize, model: &medley_package::Model) {
    if unlike > 0 {
        let rate = model.unlike().map_or(0.0, |threshold| 100.0 * threshold.false_alarm_rate);
        output::note(&format!(
            "warning: {unlike} of {count} are unlike the training images, and their answers mean little; of validation images, {rate:.1} % \
             were called so"
        ));
    }
    if skipped > 0 {
        output::note(&format!("{skipped} of {count} could not be read and were skipped"));
    }
    output::note(&format!("{NOTICE}."));
}

fn rules(arguments: &PredictArguments, own: Rules) -> Rules {
    Rules {
        sixteen_bit: arguments.sixteen_bit.unwrap_or(own.sixteen_bit),
        alpha: arguments.alpha.unwrap_or(own.alpha),
        max_pixels: arguments.max_pixels,
        ..own
    }
}
