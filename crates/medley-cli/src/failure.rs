//! Errors as people and scripts see them: a chain of causes on standard error, and an exit code.

mod codes;
pub(crate) mod memory;

use std::error::Error;
use std::io;
use std::process::ExitCode;

use crate::output::note;

/// Interrupted by Ctrl-C.
pub(crate) const INTERRUPTED: u8 = 130;
/// Asked to terminate.
pub(crate) const TERMINATED: u8 = 143;

/// The exit codes of errors, as README.md lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Code {
    /// An internal error, or one that is nobody's fault.
    Internal = 1,
    /// Wrong usage, or a config that cannot be used.
    Usage = 2,
    /// Data that are missing, damaged or not what they should be.
    Data = 3,
    /// A run folder, a checkpoint, the disk, or memory.
    Disk = 4,
    /// The loss, the gradient or the scores are not finite.
    Diverged = 5,
}

/// A mistake in what was typed, that clap cannot see.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);

/// Prints an error with its causes and chooses the code.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    let mut text = format!("error: {error}");
    let mut said = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        // Transparent wrappers repeat their source.
        if !said.contains(&cause) {
            text.push_str("\n  because: ");
            text.push_str(&cause);
            said = cause;
        }
    }
    if error.chain().any(|cause| medley_models::is_out_of_memory(&cause.to_string())) {
        text = format!("{text}\n{}", memory::ADVICE);
    }
    note(&text);
    ExitCode::from(code(error) as u8)
}

/// A full disk is a full disk, whatever was written, and so with memory. Else the first cause of a known type decides.
fn code(error: &anyhow::Error) -> Code {
    if error.chain().filter_map(|cause| cause.downcast_ref()).any(is_full) {
        return Code::Disk;
    }
    error.chain().find_map(code_of).unwrap_or(Code::Internal)
}

/// No space, a quota, the limit on the size of files, or no memory.
fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, OutOfMemory, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge | OutOfMemory)
}

/// What the type of an error says; `None` for errors of unknown type.
pub(crate) fn code_of(cause: &(dyn Error + 'static)) -> Option<Code> {
    if cause.is::<Usage>() {
        return Some(Code::Usage);
    }
    // What no crate has put into words is a folder that could not be made, or standard output.
    (cause.is::<io::Error>().then_some(Code::Disk))
        .or_else(|| cause.downcast_ref().map(codes::config))
        .or_else(|| cause.downcast_ref().map(codes::data))
        .or_else(|| cause.downcast_ref().map(codes::fetch))
        .or_else(|| cause.downcast_ref().map(codes::synth))
        .or_else(|| cause.downcast_ref().map(codes::import))
        .or_else(|| cause.downcast_ref().map(codes::train))
        .or_else(|| cause.downcast_ref().map(codes::run_folder))
        .or_else(|| cause.downcast_ref().map(codes::checkpoint))
        .or_else(|| cause.downcast_ref().map(codes::pretrained))
        .or_else(|| cause.downcast_ref().map(codes::model))
        .or_else(|| cause.downcast_ref().map(codes::augment))
        .or_else(|| cause.downcast_ref().map(codes::metric))
        .or_else(|| cause.downcast_ref().and_then(codes::prediction))
        .or_else(|| cause.downcast_ref().map(codes::submission))
        .or_else(|| cause.downcast_ref().map(codes::record))
        .or_else(|| cause.downcast_ref().map(codes::report))
        .or_else(|| cause.downcast_ref().map(codes::storage))
        .or_else(|| cause.downcast_ref().map(codes::read))
        .or_else(|| cause.downcast_ref().map(codes::core))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use anyhow::Context as _;
    use clap::CommandFactory as _;
    use medley_core::CoreError;
    use medley_data::DataError;
    use medley_import::ImportError;
    use medley_models::ModelError;
    use medley_predictions::RecordError;
    use medley_storage::StorageError;
    use medley_train::TrainError;
    use medley_train::config::ConfigError;

    use super::*;

    fn io(kind: io::ErrorKind) -> io::Error {
        kind.into()
    }

    /// One line for each thing that users meet; `codes` decides about every variant.
    #[test]
    fn errors_have_the_documented_codes() {
        let path = || PathBuf::from("x");
        let torch = |message: &str| ModelError::Torch { doing: "x".into(), message: message.into() };
        let full = "DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes";
        let unreadable = |kind| DataError::Io { path: path(), source: io(kind) };
        let unwritable = |kind| StorageError::Io { path: path(), source: io(kind) };
        let config = ConfigError::BadValue { key: "x".into(), problem: "x".into(), place: None };
        let table: Vec<(anyhow::Error, Code)> = vec![
            (anyhow::anyhow!("something else"), Code::Internal),
            (torch("x").into(), Code::Internal),
            (TrainError::from(torch("x")).into(), Code::Internal),
            (TrainError::Torch(tch::TchError::Torch("x".into())).into(), Code::Internal),
            (torch(full).into(), Code::Disk),
            (TrainError::from(torch(full)).into(), Code::Disk),
            (TrainError::Torch(tch::TchError::Torch(full.into())).into(), Code::Disk),
            (unreadable(io::ErrorKind::OutOfMemory).into(), Code::Disk),
            (Usage("x".into()).into(), Code::Usage),
            (config.into(), Code::Usage),
            (TrainError::NotInRun { what: "seed", name: "x".into(), known: "y".into() }.into(), Code::Usage),
            (ImportError::Sealed { name: "x".into() }.into(), Code::Usage),
            (DataError::Missing { path: path(), synthetic_rows: None }.into(), Code::Data),
            (TrainError::from(DataError::Empty { path: path() }).into(), Code::Data),
            (unreadable(io::ErrorKind::PermissionDenied).into(), Code::Data),
            (TrainError::from(CoreError::NotFinite { row: 0, column: 0, value: f64::NAN }).into(), Code::Data),
            (unreadable(io::ErrorKind::StorageFull).into(), Code::Disk),
            (unreadable(io::ErrorKind::QuotaExceeded).into(), Code::Disk),
            (DataError::from(unwritable(io::ErrorKind::PermissionDenied)).into(), Code::Disk),
            (TrainError::from(DataError::from(unwritable(io::ErrorKind::StorageFull))).into(), Code::Disk),
            (TrainError::Predictions { path: path(), problem: "x".into() }.into(), Code::Disk),
            (TrainError::Observer(anyhow::anyhow!("x")).into(), Code::Disk),
            (TrainError::Unfinished { run: path() }.into(), Code::Disk),
            (RecordError::NotARun { path: path() }.into(), Code::Disk),
            (io(io::ErrorKind::PermissionDenied).into(), Code::Disk),
            (TrainError::Diverged { what: "loss", steps: 3, seed: 0, epoch: 1, step: 1 }.into(), Code::Diverged),
        ];
        for (error, expected) in table {
            assert_eq!(code(&error), expected, "{error:?}");
            let within = Err::<(), _>(error).context("while doing something").unwrap_err();
            assert_eq!(code(&within), expected, "within: {within:?}");
        }
    }

    #[test]
    fn the_table_of_the_readme_is_this_enum() {
        let readme = include_str!("../../../README.md");
        let table = readme.split("| Exit code | Meaning |").nth(1).unwrap();
        let rows: Vec<u8> = table.lines().filter_map(|line| line.split('|').nth(1)?.trim().parse().ok()).collect();
        let codes = [Code::Internal, Code::Usage, Code::Data, Code::Disk, Code::Diverged].map(|code| code as u8);
        let all = [&[0], &codes[..], &[INTERRUPTED, TERMINATED]].concat();
        assert_eq!(rows, all);
        let help = crate::args::Arguments::command().render_help().to_string();
        let listed = help.split("Exit codes:").nth(1).unwrap().split("\n\n").next().unwrap();
        let number = |word: &str| word.trim_matches(|c: char| !c.is_ascii_digit()).parse::<u8>().ok();
        assert_eq!(listed.split_whitespace().filter_map(number).collect::<Vec<_>>(), all);
    }
}
