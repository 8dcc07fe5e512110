//! The exit codes of errors that only networks and training have. The matches are exhaustive, as those of [`codes`].

use std::error::Error;

use medley_augment::AugmentError;
use medley_cli::failure::{Code, codes};
use medley_core::message::is_out_of_memory;
use medley_explain::ExplainError;
use medley_models::ModelError;
use medley_package::ClassifierError;
use medley_predict::PredictError;
use medley_serve::ServeError;
use medley_train::TrainError;
use medley_train::checkpoint::CheckpointError;
use medley_train::config::load::ConfigError;
use medley_train::distill::DistillError;
use medley_train::folds::GroupsError;
use medley_train::parent::ParentError;
use medley_train::pretrained::PretrainedError;
use medley_train::run_folder::RunFolderError;
use medley_tune::TuneError;

/// What the type of an error says; `None` for errors of unknown type.
pub(crate) fn code_of(cause: &(dyn Error + 'static)) -> Option<Code> {
    (cause.downcast_ref().map(tune))
        .or_else(|| cause.downcast_ref().map(config))
        .or_else(|| cause.downcast_ref().map(train))
        .or_else(|| cause.downcast_ref().map(run_folder))
        .or_else(|| cause.downcast_ref().map(checkpoint))
        .or_else(|| cause.downcast_ref().map(pretrained))
        .or_else(|| cause.downcast_ref().map(parent))
        .or_else(|| cause.downcast_ref().map(groups))
        .or_else(|| cause.downcast_ref().map(distill))
        .or_else(|| cause.downcast_ref().map(model))
        .or_else(|| cause.downcast_ref().map(augment))
        .or_else(|| cause.downcast_ref().map(predict))
        .or_else(|| cause.downcast_ref().map(serve))
        .or_else(|| cause.downcast_ref().map(explain))
}

fn tune(error: &TuneError) -> Code {
    match error {
        TuneError::Search(error) => codes::search(error),
        TuneError::Config(error) => config(error),
        TuneError::Train(error) => train(error),
        // The first is of the file of the study, which was named.
        TuneError::Read(_)
        | TuneError::OtherStudy { .. }
        | TuneError::NothingToConfirm { .. }
        | TuneError::NoTasks
        | TuneError::TooLittleTime { .. }
        | TuneError::OtherRequest { .. }
        | TuneError::NothingFinished { .. } => Code::Usage,
        TuneError::OutExists { .. }
        | TuneError::Damaged { .. }
        | TuneError::NoBase { .. }
        | TuneError::OtherVersion { .. } => Code::Disk,
        TuneError::Studies(error) => codes::studies(error),
    }
}

fn augment(error: &AugmentError) -> Code {
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

fn model(error: &ModelError) -> Code {
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
        | ModelError::Unsavable { .. }
        | ModelError::Onnx(_) => Code::Internal,
        ModelError::Core(error) => codes::core(error),
    }
}

fn predict(error: &PredictError) -> Code {
    match error {
        PredictError::Package { .. }
        | PredictError::Weights { .. }
        | PredictError::OtherAnswer { .. }
        | PredictError::Input { .. } => Code::Data,
        PredictError::Neither { .. } | PredictError::NoNormalisation { .. } => Code::Disk,
        PredictError::Task { .. } => Code::Usage,
        PredictError::Train(error) => train(error),
        PredictError::Config(error) => config(error),
        PredictError::Record(error) => codes::record(error),
        PredictError::Data(error) => codes::data(error),
        PredictError::Decision(error) => codes::decision(error),
        PredictError::Model(error) => model(error),
        PredictError::Classifier(error) => classifier(error),
        PredictError::Read(error) => codes::read(error),
        PredictError::Storage(error) => codes::storage(error),
        PredictError::Thread(_) => Code::Internal,
    }
}

fn serve(error: &ServeError) -> Code {
    match error {
        ServeError::NoModel | ServeError::Twice { .. } | ServeError::Option { .. } | ServeError::Bind { .. } => {
            Code::Usage
        }
        ServeError::Thread { .. } | ServeError::Runtime(_) | ServeError::Signals(_) => Code::Internal,
    }
}

fn classifier(error: &ClassifierError) -> Code {
    match error {
        ClassifierError::Bytes { .. } | ClassifierError::Answer { .. } => Code::Data,
        ClassifierError::Failed(cause) => cause.downcast_ref().map_or(Code::Internal, predict),
    }
}

fn explain(error: &ExplainError) -> Code {
    match error {
        ExplainError::NoFeatureMap { .. } | ExplainError::Class { .. } | ExplainError::Option { .. } => Code::Usage,
        ExplainError::NotFinite { .. } => Code::Data,
        ExplainError::Model(error) => model(error),
        _ => Code::Internal,
    }
}

fn config(error: &ConfigError) -> Code {
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

fn checkpoint(error: &CheckpointError) -> Code {
    match error {
        CheckpointError::Storage(error) => codes::storage(error),
        CheckpointError::Read(_)
        | CheckpointError::BadState { .. }
        | CheckpointError::Damaged { .. }
        | CheckpointError::Misfit { .. }
        | CheckpointError::None { .. } => Code::Disk,
    }
}

fn pretrained(error: &PretrainedError) -> Code {
    match error {
        PretrainedError::Read { .. } | PretrainedError::Changed { .. } | PretrainedError::Misfit { .. } => Code::Data,
        PretrainedError::Unrecorded { .. } => Code::Disk,
    }
}

fn groups(error: &GroupsError) -> Code {
    match error {
        GroupsError::Read { .. } | GroupsError::Bad { .. } | GroupsError::Changed { .. } => Code::Data,
    }
}

fn distill(error: &DistillError) -> Code {
    match error {
        DistillError::Misfit { .. } | DistillError::Untaught { .. } => Code::Usage,
        DistillError::Changed { .. } => Code::Disk,
    }
}

fn parent(error: &ParentError) -> Code {
    match error {
        ParentError::Misfit { .. }
        | ParentError::OtherFolds { .. }
        | ParentError::TwoOrigins
        | ParentError::NotLonger { .. } => Code::Usage,
        ParentError::NotBegun { .. } => Code::Disk,
    }
}

fn run_folder(error: &RunFolderError) -> Code {
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
        RunFolderError::Record(error) => codes::record(error),
        RunFolderError::Storage(error) => codes::storage(error),
    }
}

fn train(error: &TrainError) -> Code {
    match error {
        TrainError::Config(error) => config(error),
        TrainError::Data(error) => codes::data(error),
        TrainError::Augment(error) => augment(error),
        TrainError::Model(error) => model(error),
        TrainError::Metric(error) => codes::metric(error),
        TrainError::Checkpoint(error) => checkpoint(error),
        TrainError::Storage(error) => codes::storage(error),
        TrainError::Core(error) => codes::core(error),
        TrainError::RunFolder(error) => run_folder(error),
        TrainError::Pretrained(error) => pretrained(error),
        TrainError::Parent(error) => parent(error),
        TrainError::Distill(error) => distill(error),
        TrainError::Groups(error) => groups(error),
        TrainError::NotInRun { .. } | TrainError::NotOneNetwork { .. } | TrainError::OtherProbabilities { .. } => {
            Code::Usage
        }
        // Observers write files of the run folder.
        TrainError::Memory(_)
        | TrainError::Observer(_)
        | TrainError::Read(_)
        | TrainError::Predictions { .. }
        | TrainError::Unfinished { .. } => Code::Disk,
        TrainError::Record(error) | TrainError::Results(error) => codes::record(error),
        TrainError::Torch(error) if is_out_of_memory(&error.to_string()) => Code::Disk,
        TrainError::Torch(_) | TrainError::Callback(_) => Code::Internal,
        TrainError::Diverged { .. } | TrainError::DivergedScores { .. } => Code::Diverged,
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::PathBuf;

    use anyhow::Context as _;
    use medley_cli::failure::code;
    use medley_core::CoreError;
    use medley_data::DataError;
    use medley_storage::StorageError;

    use super::*;

    #[test]
    fn errors_have_the_documented_codes() {
        let path = || PathBuf::from("x");
        let torch = |message: &str| ModelError::Torch { doing: "x".into(), message: message.into() };
        let full = "DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes";
        let unwritable = |kind: io::ErrorKind| StorageError::Io { path: path(), source: kind.into() };
        let config = ConfigError::BadValue { key: "x".into(), problem: "x".into(), place: None };
        let table: Vec<(anyhow::Error, Code)> = vec![
            (torch("x").into(), Code::Internal),
            (TrainError::from(torch("x")).into(), Code::Internal),
            (TrainError::Torch(tch::TchError::Torch("x".into())).into(), Code::Internal),
            (torch(full).into(), Code::Disk),
            (TrainError::from(torch(full)).into(), Code::Disk),
            (TrainError::Torch(tch::TchError::Torch(full.into())).into(), Code::Disk),
            (config.into(), Code::Usage),
            (TrainError::NotInRun { what: "seed", name: "x".into(), known: "y".into() }.into(), Code::Usage),
            (TrainError::from(DataError::Empty { path: path() }).into(), Code::Data),
            (TrainError::from(CoreError::NotFinite { row: 0, column: 0, value: f64::NAN }).into(), Code::Data),
            (TrainError::from(DataError::from(unwritable(io::ErrorKind::StorageFull))).into(), Code::Disk),
            (TrainError::Predictions { path: path(), problem: "x".into() }.into(), Code::Disk),
            (TrainError::Observer(anyhow::anyhow!("x")).into(), Code::Disk),
            (TrainError::Unfinished { run: path() }.into(), Code::Disk),
            (TrainError::Diverged { what: "loss", steps: 3, seed: 0, epoch: 1, step: 1 }.into(), Code::Diverged),
        ];
        for (error, expected) in table {
            assert_eq!(code(&error, code_of), expected, "{error:?}");
            let within = Err::<(), _>(error).context("while doing something").unwrap_err();
            assert_eq!(code(&within, code_of), expected, "within: {within:?}");
        }
    }
}
