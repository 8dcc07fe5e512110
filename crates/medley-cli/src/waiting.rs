//! How threads of libtorch wait for each other.
//!
//! The OpenMP library that libtorch computes with (libgomp) lets a thread that has done its share spin for some milliseconds, in
//! case the next operation comes soon. Where other processes want the cores, it spins while the thread that it waits for is not
//! running: beside nine busy processes on two cores, training fell to a fraction of its share. Sleeping at once costs nothing that
//! could be measured on a quiet machine.
//!
//! The library reads `OMP_WAIT_POLICY` when it is loaded, which is before `main`. So the program starts itself once more with the
//! variable set. Whoever has set one of the two variables has decided, and nothing is done then.

use std::env;

/// Starts this program again, in the same process, with threads that sleep while they wait; returns where that is so already, or
/// cannot be.
pub(crate) fn sleep_while_waiting() {
    if is_decided(|name| env::var_os(name).is_some()) {
        return;
    }
    #[cfg(target_os = "linux")]
    if let Ok(program) = env::current_exe() {
        use std::os::unix::process::CommandExt as _;
        // It returns only if it fails. Then training is as it would be without: right, and slow on a busy machine.
        let _ =
            std::process::Command::new(program).args(env::args_os().skip(1)).env("OMP_WAIT_POLICY", "passive").exec();
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
