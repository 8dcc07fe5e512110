//! Whether the file beside `medley` is the `medley-torch` that belongs to it, and whether its libraries are there.
//!
//! Once this process has become the other program, nobody can put an error into words any more: the system runs an empty file as
//! a script that does nothing, another program does what it does, and where libtorch is missing, the loader ends the process with
//! a code of its own. So the file is looked at before. A few hundred bytes of it are read: its sections, the one that names the
//! version, and the list of the libraries that it needs.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use medley_storage::open_file;
use object::Endianness;
use object::elf::{DT_NEEDED, DT_RPATH, DT_RUNPATH, FileHeader64};
use object::read::ReadCache;
use object::read::elf::{FileHeader as _, SectionHeader as _};

use super::NAME;

/// The section in which `medley-torch` has its name and version; its `main.rs` writes it.
const SECTION: &[u8] = b".medley";
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Why `medley` cannot become the file beside it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CompanionError {
    /// It is empty, a script, damaged, or the program of somebody else.
    #[error(
        "`{}` is not the `{NAME}` of medley {VERSION}: {problem}; put the one there that was built with this `medley` \
         (`cargo build --release --bins` makes both)",
        path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        problem: String,
    },
    /// A library is in none of the folders where the loader looks.
    #[error(
        "`{}` cannot start, as {library} is missing ({}); `scripts/libtorch` installs libtorch in the repository, and \
         elsewhere LD_LIBRARY_PATH names the folder that it lies in",
        path.display(),
        searched(folders)
    )]
    Library {
        /// The program.
        path: PathBuf,
        /// The name of the library.
        library: String,
        /// Where it was looked for, besides the folders of the system.
        folders: Vec<PathBuf>,
    },
}

/// What the file says of itself.
struct Program {
    mark: Option<Vec<u8>>,
    libraries: Vec<String>,
    /// Of libraries, as written: `$ORIGIN` stands for the folder of the program.
    folders: Vec<String>,
}

/// Looks at the program; what keeps the system from starting it, such as permissions, the system says better.
///
/// # Errors
/// [`CompanionError`].
pub(crate) fn check(path: &Path) -> Result<(), CompanionError> {
    let Ok(file) = open_file(path) else { return Ok(()) };
    let foreign = |problem: &str| CompanionError::Foreign { path: path.to_owned(), problem: problem.to_owned() };
    let file = file.into_file();
    if file.metadata().is_ok_and(|metadata| metadata.len() == 0) {
        return Err(foreign("it is an empty file"));
    }
    let program = read(file).map_err(|_| foreign("it is not a program, or damaged"))?;
    let mark = program.mark.ok_or_else(|| foreign("it is another program, or a much older one"))?;
    let expected = format!("{NAME} {VERSION}");
    if mark != expected.as_bytes() {
        return Err(foreign(&format!("it is {}", String::from_utf8_lossy(&mark))));
    }
    let folders = folders(path, &program.folders, std::env::var_os("LD_LIBRARY_PATH").as_deref());
    let missing = |library: &&String| !folders.iter().any(|folder| folder.join(library).exists());
    match program.libraries.iter().find(missing) {
        // The system has folders and a list of its own, so the loader decides.
        Some(library) if !starts(path) => {
            Err(CompanionError::Library { path: path.to_owned(), library: library.clone(), folders })
        }
        _ => Ok(()),
    }
}

fn read(file: File) -> object::Result<Program> {
    let data = &ReadCache::new(file);
    let header = FileHeader64::<Endianness>::parse(data)?;
    let endian = header.endian()?;
    let sections = header.sections(endian, data)?;
    let mark = match sections.section_by_name(endian, SECTION) {
        Some((_, section)) => Some(section.data(endian, data)?.to_vec()),
        None => None,
    };
    let mut program = Program { mark, libraries: Vec::new(), folders: Vec::new() };
    let table = sections.dynamic_table(endian, data)?;
    for entry in &table {
        if [DT_NEEDED, DT_RPATH, DT_RUNPATH].contains(&entry.tag) {
            let text = String::from_utf8_lossy(table.string(entry)?).into_owned();
            if entry.tag != DT_NEEDED {
                program.folders.extend(text.split(':').map(str::to_owned));
            } else if text.starts_with("libtorch") || text.starts_with("libc10") {
                program.libraries.push(text);
            }
        }
    }
    Ok(program)
}

/// Where the loader looks first. An empty name of a folder is the current one.
fn folders(program: &Path, written: &[String], variable: Option<&OsStr>) -> Vec<PathBuf> {
    // The loader follows links to the program before it takes its folder.
    let program = program.canonicalize().unwrap_or_else(|_| program.to_owned());
    let origin = program.parent().unwrap_or(Path::new("/"));
    let of_program = written.iter().map(|folder| {
        let rest = folder.strip_prefix("$ORIGIN").or_else(|| folder.strip_prefix("${ORIGIN}"));
        rest.map_or_else(|| PathBuf::from(folder), |rest| origin.join(rest.trim_start_matches('/')))
    });
    let set = variable.filter(|variable| !variable.is_empty()).map(OsStr::as_bytes).unwrap_or_default();
    let set = set.split(|&byte| byte == b':' || byte == b';').map(|folder| PathBuf::from(OsStr::from_bytes(folder)));
    set.filter(|_| variable.is_some_and(|variable| !variable.is_empty())).chain(of_program).collect()
}

/// Whether the program starts at all: it prints its version.
fn starts(program: &Path) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn searched(folders: &[PathBuf]) -> String {
    let folders: Vec<_> = folders.iter().map(|folder| format!("`{}`", folder.display())).collect();
    let listed = if folders.is_empty() { "folders of the system".to_owned() } else { folders.join(", ") };
    format!("looked in {listed}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_those_of_the_loader() {
        let written = ["$ORIGIN/../lib", "${ORIGIN}/lib", "/opt/lib"].map(str::to_owned);
        let found = folders(Path::new("/nowhere/bin/medley-torch"), &written, Some(OsStr::new("/mine:")));
        let expected = ["/mine", "", "/nowhere/bin/../lib", "/nowhere/bin/lib", "/opt/lib"];
        assert_eq!(found, expected.map(PathBuf::from));
        for variable in [None, Some(OsStr::new(""))] {
            assert_eq!(folders(Path::new("/a/b"), &written[2..], variable), [PathBuf::from("/opt/lib")]);
        }
    }
}
