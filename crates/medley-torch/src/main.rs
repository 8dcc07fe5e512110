//! `medley-torch`: the subcommands of `medley` that compute with libtorch, or read a config, in which a network is checked.
//!
//! Nobody types its name: `medley` becomes this program. See [`medley_cli`] for why there are two. What trains, predicts, describes
//! networks or reads configs is here, with the progress of a run, the exit codes of training, and the answer to a lack of memory.

mod codes;
mod commands;
mod hint;
mod interruption;
mod memory;
mod progress;
mod watching;

use std::error::Error;
use std::process::ExitCode;

use medley_cli::args::TorchCommand;
use medley_cli::args::study::TorchStudy;
use medley_cli::failure::Code;

const MARK_TEXT: &str = concat!("medley-torch ", env!("CARGO_PKG_VERSION"));

/// The name and version of this program, where `medley` reads them before it becomes this program.
#[cfg(target_os = "linux")]
#[used]
// SAFETY: no other part of the program has a section of this name, and nothing is run in it.
#[allow(unsafe_code, reason = "a section of its own is what another program can find")]
#[unsafe(link_section = ".medley")]
static MARK: [u8; MARK_TEXT.len()] = *match MARK_TEXT.as_bytes().first_chunk() {
    Some(bytes) => bytes,
    None => unreachable!(),
};

/// libtorch, in this process.
struct Here;

impl medley_cli::Torch for Here {
    fn run(command: &TorchCommand) -> anyhow::Result<ExitCode> {
        if command.trains() {
            memory::watch();
        }
        match command {
            TorchCommand::Train(train) => commands::train::train(train),
            TorchCommand::Auto(auto) => commands::auto::run(auto),
            TorchCommand::LrFind(lr_find) => commands::lr_find::run(lr_find),
            TorchCommand::Test(test) => commands::train::test(test),
            TorchCommand::Resume(resume) => commands::train::resume(resume),
            TorchCommand::Predict(predict) => commands::predict::run(predict),
            TorchCommand::Serve(serve) => commands::serve::run(serve),
            TorchCommand::Explain(explain) => commands::explain::run(explain),
            TorchCommand::Config(config) => commands::config::run(config),
            TorchCommand::Models(models) => commands::models::run(models),
            TorchCommand::Doctor(doctor) => commands::doctor::run(doctor),
            TorchCommand::Preview(preview) => commands::preview::run(preview),
            TorchCommand::Robustness(request) => commands::robustness::run(request),
        }
    }

    fn study(command: &TorchStudy) -> anyhow::Result<ExitCode> {
        memory::watch();
        commands::study::run(command)
    }

    fn explain(error: clap::Error) -> clap::Error {
        hint::with_config_key(error)
    }

    fn code_of(cause: &(dyn Error + 'static)) -> Option<Code> {
        codes::code_of(cause)
    }
}

fn main() -> ExitCode {
    medley_cli::start::<Here>()
}
