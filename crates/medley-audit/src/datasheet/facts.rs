//! What is known of a file, and what follows from it: all that the sections see.

use medley_core::{Origin, TaskSpec};
use medley_data::OpenedFile;
use medley_data::registry::{Entry, Identity, Release};

use super::known::KnownSet;
use super::measured::Measured;

/// Everything that answers draw on.
pub(super) struct Facts<'a> {
    pub(super) opened: &'a OpenedFile,
    pub(super) measured: Measured,
    pub(super) remark: Option<&'a str>,
    /// How a user's own set was made, a line each.
    pub(super) import: &'a [String],
    /// The set as it is registered, if it is.
    pub(super) entry: Option<&'a Entry>,
    /// What is published beyond the registry; `None` for drawn sets and a user's own.
    pub(super) known: Option<&'a KnownSet>,
    /// Size of the images, as in file names.
    pub(super) size: usize,
}

impl<'a> Facts<'a> {
    pub(super) fn spec(&self) -> &'a TaskSpec {
        &self.opened.task.spec
    }

    pub(super) fn is_synthetic(&self) -> bool {
        self.spec().origin == Origin::Synthetic
    }

    pub(super) fn is_official(&self) -> bool {
        self.spec().origin == Origin::Official
    }

    /// Where the statements of the entry stand.
    pub(super) fn registry(&self) -> &'static str {
        if self.entry.is_some_and(|entry| entry.origin == Origin::User) { "entry beside the file" } else { "registry" }
    }

    /// Whether the images show people. Drawn ones do not; of a user's own nobody here knows.
    pub(super) fn shows_people(&self) -> Option<bool> {
        use medley_core::Modality::{ElectronMicroscope, Other};
        match (self.spec().origin, self.spec().modality) {
            (Origin::Synthetic, _) => Some(false),
            (Origin::User, _) | (_, Other) => None,
            // Synapses of a rat.
            (Origin::Official, modality) => Some(modality != ElectronMicroscope),
        }
    }

    /// How the file compares with the registered ones.
    pub(super) fn identity(&self) -> Identity<'a> {
        self.entry.map_or(Identity::Unknown, |entry| entry.identify(&self.opened.record.md5, self.measured.rows))
    }

    /// The release that claims are made for: the one that the file is of, else the current one.
    pub(super) fn release(&self) -> Option<&'a Release> {
        match self.identity() {
            Identity::Published(release) | Identity::SameRows(release) => Some(release),
            Identity::Unknown => self.entry.and_then(|entry| entry.releases.first()),
        }
    }

    /// What the file is, among those published, in a sentence.
    pub(super) fn verdict(&self) -> String {
        if self.is_synthetic() {
            return "SYNTHETIC: drawn by Medley, no medical data.".to_owned();
        }
        match (self.identity(), self.is_official()) {
            (Identity::Published(_), false) => "A user's own set, byte for byte the file that was imported.".to_owned(),
            (_, false) if self.entry.is_some() => "A user's own set, but not the file that was imported.".to_owned(),
            (_, false) => "A user's own set, known to no registry.".to_owned(),
            (Identity::Published(release), _) if release.name == "any" => {
                "Byte for byte the published file.".to_owned()
            }
            (Identity::Published(release), _) => {
                format!("Byte for byte the published file of MedMNIST {}.", release.name)
            }
            (Identity::SameRows(_), _) => {
                "As many images as a published file, but other bytes: repacked or changed.".to_owned()
            }
            (Identity::Unknown, _) => "Neither the rows nor the MD5 of any published file.".to_owned(),
        }
    }
}
