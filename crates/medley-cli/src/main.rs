//! See [`medley_cli`].

fn main() -> std::process::ExitCode {
    medley_cli::medley()
}
