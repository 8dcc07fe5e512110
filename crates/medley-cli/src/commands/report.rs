use std::process::ExitCode;

use medley_core::RunLayout;
use medley_core::text::plural;
use medley_predictions::submission::{SubmissionOrder, write_submission};
use medley_report::{load_run, write_report};
use medley_storage::RealFs;

use crate::args::{OrderArgument, ReportArguments, ReportFormat, SubmissionArguments};
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
    let written = write_submission(&RunLayout::new(&arguments.run), &order, &RealFs)?;
    output::line(&format!("{} ({})", written.path.display(), plural(written.rows, "row")))?;
    Ok(ExitCode::SUCCESS)
}
