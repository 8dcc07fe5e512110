//! The repository as files.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The root of the repository.
///
/// # Panics
/// Never, as long as this crate lies directly under the root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies under the root")
}

/// All files that git tracks or would track, relative to the root, in order. Without git (an unpacked archive), all files
/// outside build output.
///
/// # Panics
/// If the repository cannot be read.
pub fn files() -> Vec<PathBuf> {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .ok()
        .filter(|output| output.status.success());
    let mut found = Vec::new();
    match listed {
        Some(output) => {
            let names = String::from_utf8(output.stdout).expect("file names are UTF-8");
            found.extend(names.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from));
            // Deleted but not yet committed.
            found.retain(|path| root().join(path).exists());
        }
        None => walk(Path::new(""), &mut found),
    }
    found.sort();
    found.dedup();
    found
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs_err::read_dir(root().join(folder)).expect("the repository can be read") {
        let entry = entry.expect("the repository can be read");
        let path = folder.join(entry.file_name());
        if ["target", "libtorch", "runs", ".git"].iter().any(|built| path == Path::new(built)) {
            continue;
        }
        if entry.file_type().expect("the repository can be read").is_dir() {
            walk(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// The Rust files under a folder of the repository.
pub fn rust_files(under: &str) -> Vec<PathBuf> {
    files().into_iter().filter(|path| path.starts_with(under) && path.extension().is_some_and(|e| e == "rs")).collect()
}

/// The text of a file.
///
/// # Panics
/// If it cannot be read.
pub fn text(path: &Path) -> String {
    fs_err::read_to_string(root().join(path)).expect("the file is readable text")
}

/// The lines of a Rust file that compile into the crate proper, with their 1-based numbers: without comments, and up to
/// the in-file tests.
pub fn production_lines(path: &Path) -> Vec<(usize, String)> {
    text(path)
        .lines()
        .enumerate()
        .take_while(|(_, line)| line.trim() != "#[cfg(test)]")
        .map(|(index, line)| (index + 1, line.split("//").next().unwrap_or_default().trim_end().to_owned()))
        .filter(|(_, line)| !line.trim().is_empty())
        .collect()
}

/// The folder with real MedMNIST files: `MEDLEY_DATA`, else `shared/medmnist` beside the repository. `None`, said on
/// standard error, where there is none.
///
/// # Panics
/// If there is none although the variable `CI` is set: there, tests on real data are not optional.
pub fn real_data() -> Option<PathBuf> {
    let folder = std::env::var_os("MEDLEY_DATA").map_or_else(|| root().join("../shared/medmnist"), PathBuf::from);
    if folder.join("breastmnist.npz").is_file() {
        return Some(folder);
    }
    assert!(
        std::env::var_os("CI").is_none(),
        "CI is set, but {} holds no breastmnist.npz: set MEDLEY_DATA",
        folder.display()
    );
    #[allow(clippy::print_stderr, reason = "a skipped test must say so")]
    {
        eprintln!("skipped: no real data in {} (set MEDLEY_DATA)", folder.display());
    }
    None
}
