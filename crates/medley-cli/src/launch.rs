//! Starts the program that computes with libtorch.
//!
//! It is started with two variables of the environment that libraries of libtorch read when they are loaded. A variable that the user
//! has set is left as it is.
//!
//! - `OMP_WAIT_POLICY`: libgomp, the OpenMP library, lets a thread that has done its share spin for some milliseconds, in case the next
//!   operation comes soon. Where other processes want the cores, it spins while the thread that it waits for is not running: beside
//!   nine busy processes on two cores, training fell to a fraction of its share. Sleeping at once costs nothing that could be
//!   measured on a quiet machine.
//! - `MKL_CBWR`: on Intel's processors MKL, which multiplies matrices of f32, takes another kernel for another number of rows. The
//!   last bits of an image's probabilities then depend on the batch that it is in. In its strict mode they do not, which a test of the
//!   whole program holds (`predict.rs`): MKL's documentation of "conditional numerical reproducibility" promises it for numbers of
//!   threads. On AMD's processors they did not without it.

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
    command.envs(settings(|name| env::var_os(name).is_some(), mkl_mode()));
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

/// The variables that are set for the other program: those that the user has not decided.
fn settings(
    is_set: impl Fn(&str) -> bool,
    mkl_mode: Option<&'static str>,
) -> impl Iterator<Item = (&'static str, &'static str)> {
    let waiting = (!is_set("OMP_WAIT_POLICY") && !is_set("GOMP_SPINCOUNT")).then_some(("OMP_WAIT_POLICY", "passive"));
    let mkl = mkl_mode.filter(|_| !is_set("MKL_CBWR")).map(|mode| ("MKL_CBWR", mode));
    waiting.into_iter().chain(mkl)
}

/// MKL's strict mode for this processor. MKL has none for instructions older than AVX2.
#[cfg(target_arch = "x86_64")]
fn mkl_mode() -> Option<&'static str> {
    let vendor = std::arch::x86_64::__cpuid(0);
    let vendor = [vendor.ebx, vendor.edx, vendor.ecx].map(u32::to_le_bytes).concat();
    if vendor != b"GenuineIntel" {
        None
    } else if std::is_x86_feature_detected!("avx512f") {
        Some("AVX512,STRICT")
    } else {
        std::is_x86_feature_detected!("avx2").then_some("AVX2,STRICT")
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn mkl_mode() -> Option<&'static str> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_of_the_user_decides() {
        let set = |by_user: &str, mode| settings(|asked| asked == by_user, mode).collect::<Vec<_>>();
        let (passive, strict) = (("OMP_WAIT_POLICY", "passive"), ("MKL_CBWR", "AVX2,STRICT"));
        assert_eq!(set("", None), [passive]);
        assert_eq!(set("", Some(strict.1)), [passive, strict]);
        assert_eq!(set("MKL_CBWR", Some(strict.1)), [passive]);
        for name in ["OMP_WAIT_POLICY", "GOMP_SPINCOUNT"] {
            assert_eq!(set(name, Some(strict.1)), [strict]);
        }
    }
}
