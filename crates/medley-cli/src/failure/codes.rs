//! The exit code of every error, by kind. The matches are exhaustive: whoever adds a variant decides its code here.

use medley_augment::AugmentError;
use medley_core::CoreError;
use medley_data::DataError;
use medley_fetch::FetchError;
use medley_import::ImportError;
use medley_metrics::MetricError;
use medley_models::{ModelError, is_out_of_memory};
use medley_predictions::{PredictionError, RecordError, SubmissionError};
use medley_report::ReportError;
use medley_storage::{ReadError, StorageError};
use medley_synth::SynthError;
use medley_train::TrainError;
use medley_train::checkpoint::CheckpointError;
use medley_train::config::load::ConfigError;
use medley_train::pretrained::PretrainedError;
use medley_train::run_folder::RunFolderError;

use super::Code;

pub(super) fn core(error: &CoreError) -> Code {
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

pub(super) fn storage(error: &StorageError) -> Code {
    match error {
        StorageError::Exists { .. } | StorageError::NoName { .. } | StorageError::Io { .. } => Code::Disk,
    }
}

/// Of a run folder; those who read other files say themselves what they are.
pub(super) fn read(error: &ReadError) -> Code {
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

pub(super) fn data(error: &DataError) -> Code {
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

pub(super) fn fetch(error: &FetchError) -> Code {
    match error {
        FetchError::Data(error) => data(error),
        FetchError::Storage(error) => storage(error),
        FetchError::InTheWay { .. } => Code::Disk,
        FetchError::Download { .. } | FetchError::WrongHash { .. } => Code::Data,
    }
}

pub(super) fn synth(error: &SynthError) -> Code {
    match error {
        SynthError::Data(error) => data(error),
        SynthError::Unsupported { .. } => Code::Data,
        SynthError::InTheWay { .. } => Code::Disk,
    }
}

pub(super) fn import(error: &ImportError) -> Code {
    match error {
        ImportError::Data(error) => data(error),
        ImportError::Source { .. } | ImportError::Image { .. } => Code::Data,
        ImportError::InTheWay { .. } => Code::Disk,
        ImportError::Sealed { .. } => Code::Usage,
    }
}

pub(super) fn augment(error: &AugmentError) -> Code {
    match error {
        AugmentError::OutOfRange { .. }
        | AugmentError::SizeMismatch { .. }
        | AugmentError::ChannelMismatch { .. }
        | AugmentError::View { .. }
        | AugmentError::Resize { .. }
        | AugmentError::NoImage { .. } => Code::Usage,
        AugmentError::ImageSize { .. } | AugmentError::Normalisation { .. } => Code::Data,
        AugmentError::NoSources => Code::Internal,
    }
}

pub(super) fn metric(error: &MetricError) -> Code {
    match error {
        MetricError::Rows { .. }
        | MetricError::Columns { .. }
        | MetricError::NoRows { .. }
        | MetricError::TooManyRows { .. }
        | MetricError::NotPaired { .. } => Code::Data,
        MetricError::Label(error) => core(error),
    }
}

pub(super) fn model(error: &ModelError) -> Code {
    match error {
        ModelError::UnknownBackbone { .. }
        | ModelError::Config { .. }
        | ModelError::Task { .. }
        | ModelError::OneValuePerChannel { .. }
        | ModelError::Device { .. } => Code::Usage,
        ModelError::Misfit { .. } | ModelError::WeightsFile { .. } => Code::Data,
        ModelError::Torch { message, .. } if is_out_of_memory(message) => Code::Disk,
        // Nothing that was typed or read is wrong.
        ModelError::Torch { .. }
        | ModelError::DuplicateName { .. }
        | ModelError::Input { .. }
        | ModelError::Unsavable { .. } => Code::Internal,
        ModelError::Core(error) => core(error),
    }
}

pub(super) fn config(error: &ConfigError) -> Code {
    match error {
        ConfigError::Missing { .. }
        | ConfigError::Unreadable { .. }
        | ConfigError::TooLarge { .. }
        | ConfigError::NotUtf8 { .. }
        | ConfigError::Syntax { .. }
        | ConfigError::TooDeep { .. }
        | ConfigError::BadExtends { .. }
        | ConfigError::RecordedExtends { .. }
        | ConfigError::Cycle { .. }
        | ConfigError::TooManyFiles { .. }
        | ConfigError::BadOverride { .. }
        | ConfigError::UnknownKey { .. }
        | ConfigError::UnknownChoice { .. }
        | ConfigError::WrongType { .. }
        | ConfigError::MissingKey { .. }
        | ConfigError::BadValue { .. } => Code::Usage,
        ConfigError::NoThread { .. } => Code::Internal,
    }
}

pub(super) fn checkpoint(error: &CheckpointError) -> Code {
    match error {
        CheckpointError::Storage(error) => storage(error),
        CheckpointError::Read(_)
        | CheckpointError::BadState { .. }
        | CheckpointError::Damaged { .. }
        | CheckpointError::Misfit { .. }
        | CheckpointError::None { .. } => Code::Disk,
    }
}

pub(super) fn pretrained(error: &PretrainedError) -> Code {
    match error {
        PretrainedError::Read { .. } | PretrainedError::Changed { .. } | PretrainedError::Misfit { .. } => Code::Data,
        PretrainedError::Unrecorded { .. } => Code::Disk,
    }
}

pub(super) fn run_folder(error: &RunFolderError) -> Code {
    match error {
        RunFolderError::BadName { .. } => Code::Usage,
        RunFolderError::DataChanged { .. } => Code::Data,
        RunFolderError::Exists { .. }
        | RunFolderError::Unwritable { .. }
        | RunFolderError::NoSpace { .. }
        | RunFolderError::InUse { .. }
        | RunFolderError::Missing { .. }
        | RunFolderError::NotARunFolder { .. }
        | RunFolderError::Read(_)
        | RunFolderError::ConfigChanged { .. } => Code::Disk,
        RunFolderError::Record(error) => record(error),
        RunFolderError::Storage(error) => storage(error),
    }
}

pub(super) fn train(error: &TrainError) -> Code {
    match error {
        TrainError::Config(error) => config(error),
        TrainError::Data(error) => data(error),
        TrainError::Augment(error) => augment(error),
        TrainError::Model(error) => model(error),
        TrainError::Metric(error) => metric(error),
        TrainError::Checkpoint(error) => checkpoint(error),
        TrainError::Storage(error) => storage(error),
        TrainError::Core(error) => core(error),
        TrainError::RunFolder(error) => run_folder(error),
        TrainError::Pretrained(error) => pretrained(error),
        TrainError::NotInRun { .. } => Code::Usage,
        // Observers write files of the run folder.
        TrainError::Memory(_)
        | TrainError::Observer(_)
        | TrainError::Read(_)
        | TrainError::Predictions { .. }
        | TrainError::Unfinished { .. } => Code::Disk,
        TrainError::Record(error) | TrainError::Results(error) => record(error),
        TrainError::Torch(error) if is_out_of_memory(&error.to_string()) => Code::Disk,
        TrainError::Torch(_) | TrainError::Callback(_) => Code::Internal,
        TrainError::Diverged { .. } | TrainError::DivergedScores { .. } => Code::Diverged,
    }
}

/// `None` where the source decides, which can be of any type.
pub(super) fn prediction(error: &PredictionError) -> Option<Code> {
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
        PredictionError::Metric(error) => metric(error),
        PredictionError::Core(error) => core(error),
        PredictionError::Record(error) => record(error),
        PredictionError::InFile { source, .. } => return prediction(source),
        PredictionError::UnknownTask { .. } | PredictionError::Truth { .. } => return None,
    })
}

pub(super) fn record(error: &RecordError) -> Code {
    match error {
        RecordError::NotARun { .. }
        | RecordError::Read(_)
        | RecordError::SchemaVersion { .. }
        | RecordError::Json { .. }
        | RecordError::Inconsistent { .. } => Code::Disk,
    }
}

pub(super) fn submission(error: &SubmissionError) -> Code {
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

pub(super) fn report(error: &ReportError) -> Code {
    match error {
        ReportError::Record(error) => record(error),
        ReportError::Storage(error) => storage(error),
        ReportError::TooMuch { .. } => Code::Disk,
        ReportError::Render { .. } => Code::Internal,
    }
}
