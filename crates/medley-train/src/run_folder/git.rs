//! Which revision of a repository a run was started in.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

/// `HEAD` of the working directory's repository, with `-dirty` if tracked files differ from it; `None` outside a repository,
/// without git, or when it fails for whatever reason. Never an error: it is a note for people. It is looked up once by each process, as a
/// worker begins many runs, and each time costs two processes.
pub fn git_revision() -> Option<String> {
    static REVISION: LazyLock<Option<String>> = LazyLock::new(|| git_revision_of(Path::new(".")));
    REVISION.clone()
}

/// As [`git_revision`], for another folder.
pub fn git_revision_of(folder: &Path) -> Option<String> {
    let head = git(folder, &["rev-parse", "--verify", "HEAD"])?;
    let head = head.trim();
    if head.len() < 40 || !head.chars().all(|c| c.is_ascii_hexdigit()) {
        return None;
    }
    // Untracked files are no change of what HEAD names; `git describe --dirty` sees it so too.
    let changes = git(folder, &["status", "--porcelain", "--untracked-files=no"])?;
    Some(if changes.trim().is_empty() { head.to_owned() } else { format!("{head}-dirty") })
}

fn git(folder: &Path, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new("git");
    command.arg("-C").arg(folder).args(arguments);
    // It only reads, asks nothing, and does not refresh the index beside someone's editor.
    command.env("GIT_OPTIONAL_LOCKS", "0").env("GIT_TERMINAL_PROMPT", "0");
    command.stdin(Stdio::null()).stderr(Stdio::null());
    let output = command.output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(folder: &Path, arguments: &[&str]) {
        let identity = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"];
        assert!(git(folder, &[&identity, arguments].concat()).is_some(), "git {arguments:?}");
    }

    #[test]
    fn a_revision_says_whether_files_changed() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        assert_eq!(git_revision_of(folder), None, "no repository");
        if git(folder, &["--version"]).is_none() {
            return;
        }
        run(folder, &["init", "-q"]);
        assert_eq!(git_revision_of(folder), None, "no commit");
        fs_err::write(folder.join("a"), "1").unwrap();
        run(folder, &["add", "a"]);
        run(folder, &["commit", "-q", "-m", "a"]);
        let clean = git_revision_of(folder).unwrap();
        assert_eq!(clean.len(), 40);
        fs_err::write(folder.join("untracked"), "1").unwrap();
        assert_eq!(git_revision_of(folder).unwrap(), clean);
        fs_err::write(folder.join("a"), "2").unwrap();
        assert_eq!(git_revision_of(folder).unwrap(), format!("{clean}-dirty"));
        assert_eq!(git_revision_of(&folder.join("missing")), None);
    }
}
