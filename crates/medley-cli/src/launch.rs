//! Starts the program that computes with libtorch.
//!
//! It is started with a setting of its own. The OpenMP library that libtorch computes with (libgomp) lets a thread that has done its
//! share spin for some milliseconds, in case the next operation comes soon. Where other processes want the cores, it spins while the
//! thread that it waits for is not running: beside nine busy processes on two cores, training fell to a fraction of its share.
//! Sleeping at once costs nothing that could be measured on a quiet machine. The library reads `OMP_WAIT_POLICY` when it is loaded.
//! Whoever has set one of its two variables has decided, and nothing is set then.

#[cfg(target_os = "linux")]
mod companion;

use std::env;
use std::io;
use std::path::PathBuf;
use std::process::Command;

use anyhow::anyhow;

const NAME: &str = "medley-torch";
const ONE_OF_ITS: &str = "this subcommand is one of `medley-torch`, which is linked with libtorch";

/// What is left, for those who meet the absence of the other program.
pub(crate) const WITHOUT_IT: &str = "until then, subcommands that train, predict or read a config cannot run";

/// Becomes `medley-torch`, which lies beside this program, with the same arguments and the same process. Returns why it could not.
pub(crate) fn torch_program() -> anyhow::Error {
    let program = path();
    #[cfg(target_os = "linux")]
    if let Err(error) = companion::check(&program) {
        return anyhow!("{error}").context(ONE_OF_ITS);
    }
    let mut command = Command::new(&program);
    command.args(env::args_os().skip(1));
    if !is_decided(|name| env::var_os(name).is_some()) {
        command.env("OMP_WAIT_POLICY", "passive");
    }
    let error = replace(command);
    // As a text: an I/O error of its own would have the exit code of the disk.
    anyhow!(
        "cannot start `{}`: {error}; keep it in the folder of `medley` (`cargo build --release --bins` makes both)",
        program.display()
    )
    .context(ONE_OF_ITS)
}

/// The program beside this one.
fn path() -> PathBuf {
    env::current_exe().map_or_else(|_| PathBuf::from(NAME), |medley| medley.with_file_name(NAME))
}

#[cfg(unix)]
fn replace(mut command: Command) -> io::Error {
    use std::os::unix::process::CommandExt as _;
    command.exec()
}

/// Where a process cannot become another program, the other one runs within it.
#[cfg(not(unix))]
fn replace(mut command: Command) -> io::Error {
    match command.status() {
        Ok(status) => std::process::exit(status.code().unwrap_or(1)),
        Err(error) => error,
    }
}

fn is_decided(is_set: impl Fn(&str) -> bool) -> bool {
    is_set("OMP_WAIT_POLICY") || is_set("GOMP_SPINCOUNT")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_of_the_user_decides() {
        assert!(!is_decided(|_| false));
        for name in ["OMP_WAIT_POLICY", "GOMP_SPINCOUNT"] {
            assert!(is_decided(|asked| asked == name));
        }
    }
}
