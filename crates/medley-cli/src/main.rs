//! The `medley` program: parsing, progress, exit codes, nothing else.
//!
//! Every subcommand is a file in [`commands`] that calls one library crate and renders what it returns: for people on a terminal, or
//! as one JSON document with `--json`. Results go to standard output, everything else (progress, warnings, errors) to
//! standard error. [`failure`] maps errors to the documented exit codes.

mod args;
mod commands;
mod failure;
mod output;
mod progress;
mod waiting;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Arguments, Command};

fn main() -> ExitCode {
    let arguments = Arguments::try_parse().unwrap_or_else(|error| args::hint::with_config_key(error).exit());
    install_logging(arguments.verbose);
    if arguments.command.trains() {
        waiting::sleep_while_waiting();
        failure::memory::watch();
    }
    let result = run(&arguments);
    match result {
        Ok(code) => code,
        Err(error) => failure::report(&error),
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    match &arguments.command {
        Command::Train(train) => commands::train::train(train),
        Command::Test(test) => commands::train::test(test),
        Command::Resume(resume) => commands::train::resume(resume),
        Command::Score(score) => commands::score::run(score),
        Command::Compare(compare) => commands::compare::run(compare),
        Command::Report(report) => commands::report::report(report),
        Command::Submission(submission) => commands::report::submission(submission),
        Command::Config(config) => commands::config::run(config),
        Command::Data(data) => commands::data::run(data),
        Command::Augment(augment) => commands::augment::run(augment),
        Command::Models(models) => commands::models::run(models),
        Command::Doctor(doctor) => commands::doctor::run(doctor),
        Command::Completions { shell } => commands::completions::run(*shell),
    }
}

/// `MEDLEY_LOG=debug` or `-v` show what the libraries trace.
fn install_logging(verbose: u8) {
    let level = match verbose {
        0 => "warn",
        1 => "info",
        _ => "debug",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_env("MEDLEY_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).without_time().init();
}
