//! What follows the last network, tried with the first ones.

use std::path::{Path, PathBuf};
use std::time::Instant;

use medley_cli::combine::combine;
use medley_studies::auto::MemberRecord;
use medley_tune::auto::{Finishing, Surroundings};

use super::finish::write_package;
use super::meter::Meter;

/// The folder in which it is tried.
const FOLDER: &str = "rehearsal";

/// The program around the networks.
pub(super) struct Program<'a> {
    pub(super) meter: &'a Meter,
    pub(super) data: &'a Path,
    pub(super) out: &'a Path,
}

impl Surroundings for Program<'_> {
    fn say(&self, text: &str) {
        self.meter.say(text);
    }

    fn rehearse(&self, members: &[MemberRecord]) -> Option<Finishing> {
        let folder = self.out.join(FOLDER);
        let timed = self.timed(members, &folder);
        remove(self.out);
        // What is wrong is said when it is done in earnest.
        timed.ok()
    }
}

impl Program<'_> {
    fn timed(&self, members: &[MemberRecord], folder: &Path) -> anyhow::Result<Finishing> {
        let folders: Vec<PathBuf> = members.iter().map(|member| self.out.join(&member.folder)).collect();
        let began = Instant::now();
        let built = combine(&folders, self.data, folder, "ensemble")?;
        let combined = began.elapsed().as_secs_f64();
        let began = Instant::now();
        write_package("rehearsal", &built, members, &folders, self.data, &folder.join("package"))?;
        Ok(Finishing { combined, packaged: began.elapsed().as_secs_f64() / members.len().max(1) as f64 })
    }
}

/// Removes what was tried, also by a process that was killed meanwhile.
pub(super) fn remove(out: &Path) {
    let folder = out.join(FOLDER);
    if folder.symlink_metadata().is_ok_and(|about| about.is_dir()) {
        // What is left is in nobody's way.
        let _ = fs_err::remove_dir_all(folder);
    }
}
