//! How many bytes a folder takes.

use std::path::Path;

/// The sum of the sizes of all regular files in a folder and below it. Links are not followed, and what cannot be looked at, or goes
/// meanwhile, counts nothing.
pub(crate) fn of_folder(folder: &Path) -> u64 {
    let mut bytes = 0_u64;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs_err::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                bytes = bytes.saturating_add(entry.metadata().map_or(0, |metadata| metadata.len()));
            }
        }
    }
    bytes
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "fixtures of tests need not survive a crash")]
mod tests {
    use super::*;

    #[test]
    fn files_below_count_and_links_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("a/b")).unwrap();
        std::fs::write(at("a/b/ten"), "0123456789").unwrap();
        std::fs::write(at("two"), "01").unwrap();
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(folder.path(), at("a/loop")).unwrap();
            std::os::unix::fs::symlink(at("two"), at("link")).unwrap();
        }
        assert_eq!(of_folder(folder.path()), 12);
        assert_eq!(of_folder(&at("absent")), 0);
    }
}
