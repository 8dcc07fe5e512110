//! Errors as people and scripts see them: a chain of causes on standard error, and an exit code.

pub mod codes;

use std::error::Error;
use std::io;
use std::process::ExitCode;

use medley_core::message::is_out_of_memory;

use crate::output::note;

/// Interrupted by Ctrl-C.
pub const INTERRUPTED: u8 = 130;
/// Asked to terminate.
pub const TERMINATED: u8 = 143;

/// The exit codes of errors, as README.md lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Code {
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
pub struct Usage(
    /// What is wrong, and what to type instead.
    pub String,
);

/// What takes less memory, as a hint to every error that is about memory.
pub const MEMORY_ADVICE: &str = "hint: a smaller `train.batch_size`, `train.predict_batch_size`, `net.backbone.width` or \
                                 `augment.prefetch` takes less memory, and so does `train.replicas = 1`";

/// The code that the type of an error decides; `None` for errors of unknown type.
pub type CodeOf = fn(&(dyn Error + 'static)) -> Option<Code>;

/// Prints an error with its causes and chooses the code; `torch_code` knows the errors of networks and training.
pub fn report(error: &anyhow::Error, torch_code: CodeOf) -> ExitCode {
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
    if error.chain().any(|cause| is_out_of_memory(&cause.to_string())) {
        text = format!("{text}\n{MEMORY_ADVICE}");
    }
    note(&text);
    ExitCode::from(code(error, torch_code) as u8)
}

/// A full disk is a full disk, whatever was written, and so with memory. Else the first cause of a known type decides.
pub fn code(error: &anyhow::Error, torch_code: CodeOf) -> Code {
    if error.chain().filter_map(|cause| cause.downcast_ref()).any(is_full) {
        return Code::Disk;
    }
    error.chain().find_map(|cause| code_of(cause).or_else(|| torch_code(cause))).unwrap_or(Code::Internal)
}

/// No space, a quota, the limit on the size of files, or no memory.
fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, OutOfMemory, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge | OutOfMemory)
}

/// What the type of an error says; `None` for errors of unknown type.
pub fn code_of(cause: &(dyn Error + 'static)) -> Option<Code> {
    if cause.is::<Usage>() {
        return Some(Code::Usage);
    }
    // What no crate has put into words is a folder that could not be made, or standard output.
    (cause.is::<io::Error>().then_some(Code::Disk))
        .or_else(|| cause.downcast_ref().map(codes::data))
        .or_else(|| cause.downcast_ref().map(codes::fetch))
        .or_else(|| cause.downcast_ref().map(codes::mlflow))
        .or_else(|| cause.downcast_ref().map(codes::synth))
        .or_else(|| cause.downcast_ref().map(codes::import))
        .or_else(|| cause.downcast_ref().map(codes::metric))
        .or_else(|| cause.downcast_ref().and_then(codes::prediction))
        .or_else(|| cause.downcast_ref().map(codes::group_table))
        .or_else(|| cause.downcast_ref().map(codes::decision))
        .or_else(|| cause.downcast_ref().and_then(codes::ensemble))
        .or_else(|| cause.downcast_ref().map(codes::submission))
        .or_else(|| cause.downcast_ref().map(codes::record))
        .or_else(|| cause.downcast_ref().map(codes::report))
        .or_else(|| cause.downcast_ref().map(codes::runs))
        .or_else(|| cause.downcast_ref().map(codes::search))
        .or_else(|| cause.downcast_ref().map(codes::studies))
        .or_else(|| cause.downcast_ref().map(codes::storage))
        .or_else(|| cause.downcast_ref().map(codes::read))
        .or_else(|| cause.downcast_ref().map(codes::core))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use anyhow::Context as _;
    use clap::CommandFactory as _;
    use medley_data::DataError;
    use medley_import::ImportError;
    use medley_predictions::RecordError;
    use medley_storage::StorageError;

    use super::*;

    fn io(kind: io::ErrorKind) -> io::Error {
        kind.into()
    }

    /// One line for each thing that users meet; `codes` decides about every variant.
    #[test]
    fn errors_have_the_documented_codes() {
        let path = || PathBuf::from("x");
        let unreadable = |kind| DataError::Io { path: path(), source: io(kind) };
        let unwritable = |kind| StorageError::Io { path: path(), source: io(kind) };
        let table: Vec<(anyhow::Error, Code)> = vec![
            (anyhow::anyhow!("something else"), Code::Internal),
            (unreadable(io::ErrorKind::OutOfMemory).into(), Code::Disk),
            (Usage("x".into()).into(), Code::Usage),
            (ImportError::Sealed { name: "x".into() }.into(), Code::Usage),
            (DataError::Missing { path: path(), synthetic_rows: None }.into(), Code::Data),
            (unreadable(io::ErrorKind::PermissionDenied).into(), Code::Data),
            (unreadable(io::ErrorKind::StorageFull).into(), Code::Disk),
            (unreadable(io::ErrorKind::QuotaExceeded).into(), Code::Disk),
            (DataError::from(unwritable(io::ErrorKind::PermissionDenied)).into(), Code::Disk),
            (RecordError::NotARun { path: path() }.into(), Code::Disk),
            (io(io::ErrorKind::PermissionDenied).into(), Code::Disk),
        ];
        for (error, expected) in table {
            assert_eq!(code(&error, |_| None), expected, "{error:?}");
            let within = Err::<(), _>(error).context("while doing something").unwrap_err();
            assert_eq!(code(&within, |_| None), expected, "within: {within:?}");
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
