//! The tasks of a submission.

use std::path::Path;

use medley_core::{COMPETITION_TASKS, Split, TaskKind};
use medley_metrics::Sample;
use medley_metrics::scorecard::Prediction;

use super::{Matching, Task, new_prediction};
use crate::input::Input;
use crate::{PredictionError, Submission, submission};

impl Matching<'_> {
    pub(super) fn submission(&self, input: Input) -> Result<Vec<Prediction>, PredictionError> {
        let read = |input: Input| input.read(submission::LARGEST, "submissions");
        let sample = self.request.sample.as_deref().map(|path| read(Input::open(path)?)).transpose()?;
        let path = input.path().to_owned();
        let bytes = read(input)?;
        let submission = Submission::parse(&bytes, sample.as_deref())?;
        let names: Vec<&str> = submission.tasks().collect();
        if self.request.labels.is_some() && names.len() > 1 {
            let message = format!("--labels holds the truth of one task, but the submission has {}", names.len());
            return Err(PredictionError::Request { message });
        }
        let mut predictions = Vec::new();
        for name in names {
            predictions.push(self.submitted_task(&path, &bytes, &submission, name)?);
        }
        let position = |prediction: &Prediction| {
            let name = &prediction.sample.spec().name;
            COMPETITION_TASKS.iter().position(|known| known == name).unwrap_or(usize::MAX)
        };
        predictions.sort_by_key(position);
        Ok(predictions)
    }

    fn submitted_task(
        &self,
        path: &Path,
        bytes: &[u8],
        submission: &Submission,
        name: &str,
    ) -> Result<Prediction, PredictionError> {
        let size = self.request.size;
        let spec = match self.named_task(name, size)? {
            Task::Known(spec) => spec,
            Task::Own { .. } => {
                let message =
                    format!("`{name}` is not a published task: a submission holds tasks of the competition only");
                return Err(PredictionError::Request { message });
            }
        };
        if spec.kind == TaskKind::MultiLabel {
            let message = format!("`{name}` has several labels per image, which a submission cannot hold");
            return Err(PredictionError::Request { message });
        }
        let (truth, remark) = self.checked_truth(&spec, size, Split::Test)?;
        let rows = truth.labels.rows();
        let decisions = submission
            .labels(name, rows, spec.outputs())
            .map_err(|error| self.name_releases("submission is", &truth, Split::Test, submission.rows(name), error))?;
        let labels = self.open(&truth, Split::Test, rows, bytes)?;
        let sample = Sample::from_decisions(&truth.spec, labels, decisions)?;
        Ok(Prediction { remarks: remark.into_iter().collect(), ..new_prediction(path, size, Split::Test, sample) })
    }
}
