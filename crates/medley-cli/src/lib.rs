//! The `medley` program: parsing, progress, exit codes, nothing else.
//!
//! Every subcommand is a file in `commands` that calls one library crate and renders what it returns: for people on a terminal, or
//! as one JSON document with `--json`. Results go to standard output, everything else (progress, warnings, errors) to
//! standard error. [`failure`] maps errors to the documented exit codes.
//!
//! There are two programs. libtorch takes a quarter of a second to load, and is not everywhere; few subcommands compute with it. So
//! `medley` is built without it, and becomes `medley-torch`, which lies beside it, for those few. Which they are is one type,
//! [`args::TorchCommand`], and the crate `medley-torch` gives its part to [`start`] as a [`Torch`].
//!
//! ```
//! use clap::Parser as _;
//! use medley_cli::args::{Arguments, Command};
//!
//! let parsed = |line: &str| Arguments::try_parse_from(line.split(' ')).map(|arguments| arguments.command);
//! assert!(matches!(parsed("medley train my.toml"), Ok(Command::Torch(_))));
//! assert!(matches!(parsed("medley score mine.csv"), Ok(Command::Score(_))));
//! ```

pub mod args;
pub mod combine;
mod commands;
pub mod data_folder;
pub mod failure;
pub mod findings;
pub mod images_bar;
mod launch;
pub mod look;
pub mod output;
pub mod sheets;
pub mod study;

use std::error::Error;
use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;

use crate::args::serve::LogForm;
use crate::args::study::TorchStudy;
use crate::args::{Arguments, Command, TorchCommand};
use crate::failure::Code;
use crate::findings::Finding;

/// The part of the program that is linked with libtorch.
pub trait Torch {
    /// Runs a subcommand.
    ///
    /// # Errors
    /// Whatever the program ends with.
    fn run(command: &TorchCommand) -> anyhow::Result<ExitCode>;

    /// Trains trials of a study.
    ///
    /// # Errors
    /// As [`Self::run`].
    fn study(command: &TorchStudy) -> anyhow::Result<ExitCode>;

    /// Adds what the keys of a config tell of wrong arguments.
    fn explain(error: clap::Error) -> clap::Error;

    /// The code of an error of networks or training; `None` of others.
    fn code_of(cause: &(dyn Error + 'static)) -> Option<Code>;
}

/// The other program.
struct Elsewhere;

impl Torch for Elsewhere {
    fn run(command: &TorchCommand) -> anyhow::Result<ExitCode> {
        match (command, launch::torch_program()) {
            // Where it cannot start, that is what doctor finds.
            (TorchCommand::Doctor(doctor), error) => {
                let problem = Finding::problem("medley-torch", error.root_cause().to_string(), launch::WITHOUT_IT);
                findings::print(&findings::of_program().into_iter().chain([problem]).collect::<Vec<_>>(), doctor.json)
            }
            (_, error) => Err(error),
        }
    }

    fn study(_: &TorchStudy) -> anyhow::Result<ExitCode> {
        Err(launch::torch_program())
    }

    fn explain(error: clap::Error) -> clap::Error {
        if error.kind() == ErrorKind::UnknownArgument {
            // It parses the same arguments and knows more; where it is missing, what is known here has to do.
            drop(launch::torch_program());
        }
        error
    }

    fn code_of(_: &(dyn Error + 'static)) -> Option<Code> {
        None
    }
}

/// The `medley` program; what needs libtorch is left to `medley-torch`.
pub fn medley() -> ExitCode {
    start::<Elsewhere>()
}

/// The program with all its subcommands.
pub fn start<T: Torch>() -> ExitCode {
    let arguments = Arguments::try_parse().unwrap_or_else(|error| T::explain(error).exit());
    install_logging(&arguments);
    let result = match &arguments.command {
        Command::Torch(command) => T::run(command),
        Command::Score(score) if score.corruptions => commands::robustness::run::<T>(score),
        Command::Score(score) => commands::score::run(score),
        Command::Augment(augment) => commands::augment::run::<T>(augment),
        Command::Compare(compare) => commands::compare::run(compare),
        Command::Decide(decide) => commands::decide::run(decide),
        Command::Ensemble(ensemble) => commands::ensemble::run(ensemble),
        Command::Report(report) => commands::report::report(report),
        Command::Submission(submission) => commands::report::submission(submission),
        Command::Runs(runs) => commands::runs::run(runs),
        Command::Study(study) => commands::study::run(&study.subcommand, T::study),
        Command::Data(data) => commands::data::run(data),
        Command::Completions { shell } => commands::completions::run(*shell),
    };
    result.unwrap_or_else(|error| failure::report(&error, T::code_of))
}

/// `MEDLEY_LOG=debug` or `-v` show what the libraries trace. A server tells what it does, and when.
fn install_logging(arguments: &Arguments) {
    let serve = match &arguments.command {
        Command::Torch(TorchCommand::Serve(serve)) => Some(serve),
        _ => None,
    };
    let level = match (arguments.verbose, serve) {
        (0, None) => "warn",
        (0, Some(_)) | (1, None) => "info",
        _ => "debug",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_env("MEDLEY_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match serve.map(|serve| serve.log) {
        None => log.without_time().init(),
        Some(LogForm::Text) => log.with_ansi(std::io::stderr().is_terminal()).init(),
        Some(LogForm::Json) => log.json().flatten_event(true).init(),
    }
}
