use std::process::ExitCode;

use medley_core::text::plural;
use medley_core::{RunLayout, Scores, TaskSpec};
use medley_decisions::record::DecisionRecord;
use medley_decisions::{Decisions, Rule};
use medley_predictions::record::read_json;
use medley_predictions::submission::{SubmissionOrder, write_submission, write_submission_by};
use medley_report::{load_run, write_report};
use medley_storage::RealFs;

use crate::args::{OrderArgument, ReportArguments, ReportFormat, SubmissionArguments};
use crate::failure::Usage;
use crate::output;

pub(crate) fn report(arguments: &ReportArguments) -> anyhow::Result<ExitCode> {
    let layout = RunLayout::new(&arguments.run);
    match arguments.print {
        None => output::line(&write_report(&layout, &RealFs)?.display().to_string())?,
        Some(format) => {
            let run = load_run(&layout)?;
            let text = match format {
                ReportFormat::Markdown => medley_report::markdown(&run),
                ReportFormat::Csv => medley_report::csv(&run),
                ReportFormat::Latex => medley_report::latex(&run),
                ReportFormat::ModelCard => medley_report::model_card(&run),
            };
            output::document(text.trim_end())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn submission(arguments: &SubmissionArguments) -> anyhow::Result<ExitCode> {
    let order = match (&arguments.like, arguments.order) {
        (Some(sample), _) => SubmissionOrder::Like(sample.clone()),
        (None, OrderArgument::Competition) => SubmissionOrder::Competition,
        (None, OrderArgument::Alphabetical) => SubmissionOrder::Alphabetical,
    };
    let layout = RunLayout::new(&arguments.run);
    let written = if arguments.decide {
        let rules = accepted(&layout)?;
        let decide = |task: &TaskSpec, scores: &Scores| {
            let decided = rules.of(&task.name).map(|rule| rule.apply(scores)).transpose();
            decided.map_err(|error| format!("the rule of decisions.json does not fit: {error}"))
        };
        let names = rules.iter().filter(|(_, rule)| *rule.rule() != Rule::PLAIN).map(|(task, _)| task);
        let names = names.collect::<Vec<_>>().join(", ");
        output::note(&if names.is_empty() {
            "no rule was accepted: every label is that of the most probable class".to_owned()
        } else {
            format!("labels by rules: {names}")
        });
        write_submission_by(&layout, &decide, &order, &RealFs)?
    } else {
        write_submission(&layout, &order, &RealFs)?
    };
    output::line(&format!("{} ({})", written.path.display(), plural(written.rows, "row")))?;
    Ok(ExitCode::SUCCESS)
}

/// The rules that the run's predictor is to be used with.
fn accepted(layout: &RunLayout) -> anyhow::Result<Decisions> {
    let record: Option<DecisionRecord> = read_json(layout, &layout.decisions(), DecisionRecord::LARGEST_FILE)?;
    let run = layout.root().display();
    let what = || {
        Usage(format!("`{run}` has no rules: `medley decide {run} --write` fits them on its validation predictions"))
    };
    Ok(record.ok_or_else(what)?.decide_by)
}
