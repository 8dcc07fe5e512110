//! The exit code of every error, by kind. The matches are exhaustive: whoever adds a variant decides its code here.

use medley_core::CoreError;
use medley_data::DataError;
use medley_decisions::DecisionError;
use medley_ensembles::EnsembleError;
use medley_fetch::FetchError;
use medley_import::ImportError;
use medley_metrics::MetricError;
use medley_mlflow::MlflowError;
use medley_predictions::{FoldsError, GroupTableError, PredictionError, RecordError, SubmissionError};
use medley_report::ReportError;
use medley_runs::RunsError;
use medley_search::SearchError;
use medley_storage::{ReadError, StorageError};
use medley_studies::StudiesError;
use medley_synth::SynthError;

use super::Code;

/// Of [`CoreError`].
pub fn core(error: &CoreError) -> Code {
    match error {
        CoreError::ImageBytes { .. }
        | CoreError::ImageOverflow { .. }
        | CoreError::Matrix { .. }
        | CoreError::LabelOutOfRange { .. }
        | CoreError::LabelWidth { .. }
        | CoreError::LengthMismatch { .. }
        | CoreError::NotFinite { .. } => Code::Data,
        CoreError::WrongToken { .. } => Code::Internal,
    }
}

/// Of [`StorageError`].
pub fn storage(error: &StorageError) -> Code {
    match error {
        StorageError::Exists { .. }
        | StorageError::NoName { .. }
        | StorageError::NoFolder { .. }
        | StorageError::Io { .. } => Code::Disk,
    }
}

/// Of a run folder; those who read other files say themselves what they are.
pub fn read(error: &ReadError) -> Code {
    match error {
        ReadError::Missing { .. }
        | ReadError::NotAFile { .. }
        | ReadError::Link { .. }
        | ReadError::Outside { .. }
        | ReadError::TooLarge { .. }
        | ReadError::NotText { .. }
        | ReadError::Io { .. } => Code::Disk,
    }
}

/// Of [`DataError`].
pub fn data(error: &DataError) -> Code {
    match error {
        DataError::UnknownSet { .. }
        | DataError::UnknownSize { .. }
        | DataError::Missing { .. }
        | DataError::NotAFile { .. }
        | DataError::Empty { .. }
        | DataError::Io { .. }
        | DataError::Read(_)
        | DataError::Archive { .. }
        | DataError::MissingMember { .. }
        | DataError::MemberNames { .. }
        | DataError::Array { .. }
        | DataError::TooLarge { .. }
        | DataError::Content { .. }
        | DataError::Changed { .. }
        | DataError::Entry { .. } => Code::Data,
        DataError::Cache { .. } => Code::Disk,
        DataError::Storage(error) => storage(error),
    }
}

/// Of [`FetchError`].
pub fn fetch(error: &FetchError) -> Code {
    match error {
        FetchError::Data(error) => data(error),
        FetchError::Storage(error) => storage(error),
        FetchError::InTheWay { .. } => Code::Disk,
        FetchError::Download { .. } | FetchError::WrongHash { .. } => Code::Data,
    }
}

/// Of [`MlflowError`].
pub fn mlflow(error: &MlflowError) -> Code {
    match error {
        MlflowError::Record(error) => record(error),
        MlflowError::Read(error) => read(error),
        MlflowError::Address { .. } => Code::Usage,
        MlflowError::Unreachable { .. } | MlflowError::Refused { .. } | MlflowError::Answer { .. } => Code::Internal,
    }
}

/// Of [`SynthError`].
pub fn synth(error: &SynthError) -> Code {
    match error {
        SynthError::Data(error) => data(error),
        SynthError::Unsupported { .. } => Code::Data,
        SynthError::InTheWay { .. } => Code::Disk,
    }
}

/// Of [`ImportError`].
pub fn import(error: &ImportError) -> Code {
    match error {
        ImportError::Data(error) => data(error),
        ImportError::Source { .. } | ImportError::Image { .. } => Code::Data,
        ImportError::InTheWay { .. } => Code::Disk,
        ImportError::Sealed { .. } => Code::Usage,
    }
}

/// Of [`MetricError`].
pub fn metric(error: &MetricError) -> Code {
    match error {
        MetricError::Rows { .. }
        | MetricError::Columns { .. }
        | MetricError::NoRows { .. }
        | MetricError::TooManyRows { .. }
        | MetricError::Groups { .. }
        | MetricError::NotPaired { .. } => Code::Data,
        MetricError::Label(error) => core(error),
    }
}

/// Of [`DecisionError`].
pub fn decision(error: &DecisionError) -> Code {
    match error {
        DecisionError::Kind { .. }
        | DecisionError::Parameters { .. }
        | DecisionError::Number { .. }
        | DecisionError::Outputs { .. }
        | DecisionError::Format { .. }
        | DecisionError::OtherTask { .. }
        | DecisionError::Columns { .. }
        | DecisionError::Range { .. }
        | DecisionError::Counts { .. }
        | DecisionError::Folds { .. }
        | DecisionError::NotProbabilities { .. }
        | DecisionError::NoMembers { .. }
        | DecisionError::Shape { .. } => Code::Data,
        DecisionError::Option { .. } => Code::Usage,
        DecisionError::Metric(error) => metric(error),
        DecisionError::Core(error) => core(error),
    }
}

/// Of [`EnsembleError`]; `None` as for [`prediction`].
pub fn ensemble(error: &EnsembleError) -> Option<Code> {
    Some(match error {
        EnsembleError::NoRuns
        | EnsembleError::Twice { .. }
        | EnsembleError::NothingInCommon { .. }
        | EnsembleError::Name { .. } => Code::Usage,
        EnsembleError::OtherData { .. } | EnsembleError::Rows { .. } | EnsembleError::Members { .. } => Code::Data,
        EnsembleError::Encode { .. } => Code::Internal,
        EnsembleError::Prediction(error) => return prediction(error),
        EnsembleError::Decision(error) => decision(error),
        EnsembleError::Record(error) => record(error),
        EnsembleError::Submission(error) => submission(error),
        EnsembleError::Storage(error) => storage(error),
        EnsembleError::Metric(error) => metric(error),
        EnsembleError::Core(error) => core(error),
    })
}

/// `None` where the source decides, which can be of any type.
pub fn prediction(error: &PredictionError) -> Option<Code> {
    Some(match error {
        PredictionError::Lines { .. }
        | PredictionError::File { .. }
        | PredictionError::Io { .. }
        | PredictionError::Read(_)
        | PredictionError::Empty { .. }
        | PredictionError::TooLarge { .. }
        | PredictionError::OtherData { .. }
        | PredictionError::OtherRelease { .. }
        | PredictionError::NotProbabilities { .. }
        | PredictionError::Npy(_) => Code::Data,
        PredictionError::Request { .. } => Code::Usage,
        PredictionError::NotPredicted { .. } | PredictionError::NotOfSeed { .. } => Code::Disk,
        PredictionError::Metric(error) => metric(error),
        PredictionError::Core(error) => core(error),
        PredictionError::Record(error) => record(error),
        PredictionError::Folds(error) => folds(error),
        PredictionError::InFile { source, .. } => return prediction(source),
        PredictionError::UnknownTask { .. } | PredictionError::Truth { .. } => return None,
    })
}

/// Of [`FoldsError`].
pub fn folds(error: &FoldsError) -> Code {
    match error {
        FoldsError::Unfolded { .. }
        | FoldsError::Splits { .. }
        | FoldsError::Missing { .. }
        | FoldsError::Twice { .. } => Code::Usage,
        FoldsError::Data { .. } => Code::Data,
        FoldsError::Rows { .. } | FoldsError::Damaged { .. } => Code::Disk,
    }
}

/// Of [`RecordError`].
pub fn record(error: &RecordError) -> Code {
    match error {
        RecordError::NotARun { .. }
        | RecordError::Read(_)
        | RecordError::SchemaVersion { .. }
        | RecordError::Json { .. }
        | RecordError::Inconsistent { .. } => Code::Disk,
    }
}

/// Of [`GroupTableError`].
pub fn group_table(error: &GroupTableError) -> Code {
    match error {
        GroupTableError::Read(_) | GroupTableError::Content(_) => Code::Data,
    }
}

/// Of [`SubmissionError`].
pub fn submission(error: &SubmissionError) -> Code {
    match error {
        SubmissionError::Sample { .. } => Code::Data,
        SubmissionError::Unfinished { .. }
        | SubmissionError::Untested { .. }
        | SubmissionError::NothingToSubmit { .. }
        | SubmissionError::NoPredictions { .. }
        | SubmissionError::AmbiguousPredictions { .. }
        | SubmissionError::Predictions { .. } => Code::Disk,
        SubmissionError::Record(error) => record(error),
        SubmissionError::Storage(error) => storage(error),
    }
}

/// Of [`ReportError`].
pub fn report(error: &ReportError) -> Code {
    match error {
        ReportError::Record(error) => record(error),
        ReportError::Storage(error) => storage(error),
        ReportError::TooMuch { .. } => Code::Disk,
        ReportError::Render { .. } => Code::Internal,
    }
}

/// Of [`RunsError`].
pub fn runs(error: &RunsError) -> Code {
    match error {
        RunsError::BadTag { .. } | RunsError::BadNote { .. } | RunsError::TooManyTags { .. } => Code::Usage,
        RunsError::Missing { .. }
        | RunsError::Unlistable { .. }
        | RunsError::Config { .. }
        | RunsError::Link { .. }
        | RunsError::NoName { .. }
        | RunsError::Current { .. }
        | RunsError::Unknown { .. }
        | RunsError::InUse { .. }
        | RunsError::Unfinished { .. }
        | RunsError::Untested { .. }
        | RunsError::NotRemoved { .. }
        | RunsError::Rest { .. } => Code::Disk,
        RunsError::Record(error) => record(error),
        RunsError::Read(error) => read(error),
        RunsError::Storage(error) => storage(error),
    }
}

/// Of [`SearchError`].
pub fn search(error: &SearchError) -> Code {
    match error {
        SearchError::Syntax { .. }
        | SearchError::UnknownKey { .. }
        | SearchError::BadValue { .. }
        | SearchError::MissingKey { .. }
        | SearchError::NotInSpace { .. }
        | SearchError::BadName { .. } => Code::Usage,
        SearchError::NotAStudy { .. }
        | SearchError::Exists { .. }
        | SearchError::Edited { .. }
        | SearchError::OtherVersion { .. }
        | SearchError::Damaged { .. }
        | SearchError::LeaseLost { .. }
        | SearchError::Unlistable { .. } => Code::Disk,
        SearchError::Read(error) => read(error),
        SearchError::Storage(error) => storage(error),
        SearchError::NoThread { .. } => Code::Internal,
    }
}

/// Of [`StudiesError`].
pub fn studies(error: &StudiesError) -> Code {
    match error {
        StudiesError::Search(error) => search(error),
        StudiesError::Read(error) => read(error),
        StudiesError::Storage(error) => storage(error),
        StudiesError::Damaged { .. } => Code::Disk,
        StudiesError::Render(_) => Code::Internal,
    }
}
