//! Tasks: what is to be told from what, on which kind of image.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{CoreError, Labels};

/// The eleven tasks of *Tensor Reloaded: Multi-Task MedMNIST*, in the order most public submissions use.
pub const COMPETITION_TASKS: [&str; 11] = [
    "pathmnist",
    "dermamnist",
    "octmnist",
    "pneumoniamnist",
    "retinamnist",
    "breastmnist",
    "bloodmnist",
    "tissuemnist",
    "organamnist",
    "organcmnist",
    "organsmnist",
];

/// How the labels of a task are to be read, in the four kinds of MedMNIST.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TaskKind {
    /// Two classes, one label.
    Binary,
    /// Several unordered classes, one label.
    MultiClass,
    /// Several ordered classes (grades), one label.
    Ordinal,
    /// Several independent yes/no labels.
    MultiLabel,
}

impl fmt::Display for TaskKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Binary => "binary",
            Self::MultiClass => "multi-class",
            Self::Ordinal => "ordinal",
            Self::MultiLabel => "multi-label",
        })
    }
}

crate::choices! {
    /// The device and tissue an image shows. It decides which augmentations are sound.
    pub enum Modality {
        /// Colon pathology, stained slide.
        Pathology = "pathology",
        /// Dermatoscope.
        Dermatoscope = "dermatoscope",
        /// Retinal optical coherence tomography.
        Oct = "oct",
        /// Chest X-ray.
        ChestXray = "chest-xray",
        /// Fundus camera.
        Fundus = "fundus",
        /// Breast ultrasound.
        Ultrasound = "ultrasound",
        /// Blood cell microscope.
        BloodMicroscope = "blood-microscope",
        /// Kidney cortex microscope.
        KidneyMicroscope = "kidney-microscope",
        /// Abdominal CT.
        AbdominalCt = "abdominal-ct",
        /// Chest CT (nodules, rib fractures).
        ChestCt = "chest-ct",
        /// Brain magnetic resonance angiography.
        BrainMra = "brain-mra",
        /// Electron microscope.
        ElectronMicroscope = "electron-microscope",
        /// A segmented shape rather than an intensity image (adrenal glands).
        Shape = "shape",
        /// Anything else, such as a user's own images.
        Other = "other",
    }
}

/// Where a data set comes from. Anything made from synthetic data says so wherever it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// A published MedMNIST file.
    Official,
    /// Drawn by Medley.
    Synthetic,
    /// A user's own images.
    User,
}

/// The three splits of every set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Split {
    /// For fitting parameters.
    Train,
    /// For choosing among what was fitted.
    Val,
    /// For the final score, once.
    Test,
}

impl Split {
    /// All splits in their usual order.
    pub const ALL: [Self; 3] = [Self::Train, Self::Val, Self::Test];

    /// The name used in `.npz` members and file names: `train`, `val`, `test`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Val => "val",
            Self::Test => "test",
        }
    }

    /// The split that a word of a user's file means: `train` or `training`, `val`, `valid` or `validation`, `test` or `testing`, in
    /// any case and with spaces around it.
    pub fn of_word(word: &str) -> Option<Self> {
        match word.trim().to_ascii_lowercase().as_str() {
            "train" | "training" => Some(Self::Train),
            "val" | "valid" | "validation" => Some(Self::Val),
            "test" | "testing" => Some(Self::Test),
            _ => None,
        }
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Size of one image (`[H, W, C]`) or volume (`[D, H, W, C]`), in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ImageShape {
    /// Slices of a volume; `None` for a flat image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depth: Option<usize>,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// 1 (grey) or 3 (RGB) in MedMNIST.
    pub channels: usize,
}

impl ImageShape {
    /// A flat image.
    pub const fn flat(height: usize, width: usize, channels: usize) -> Self {
        Self { depth: None, height, width, channels }
    }

    /// A volume.
    pub const fn volume(depth: usize, height: usize, width: usize, channels: usize) -> Self {
        Self { depth: Some(depth), height, width, channels }
    }

    /// Values in one image, or `None` if the product overflows.
    pub fn checked_len(&self) -> Option<usize> {
        self.depth.unwrap_or(1).checked_mul(self.height)?.checked_mul(self.width)?.checked_mul(self.channels)
    }

    /// Values in one image.
    ///
    /// # Panics
    /// If the product overflows; shapes that were read from a file have been checked with [`Self::checked_len`].
    pub fn len(&self) -> usize {
        self.checked_len().expect("image shape was checked when it was read")
    }

    /// Whether an image of this shape has no values.
    pub fn is_empty(&self) -> bool {
        self.checked_len() == Some(0)
    }

    /// The same size with another number of channels.
    #[must_use]
    pub const fn with_channels(self, channels: usize) -> Self {
        Self { channels, ..self }
    }
}

impl fmt::Display for ImageShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(depth) = self.depth {
            write!(f, "{depth}x")?;
        }
        write!(f, "{}x{}x{}", self.height, self.width, self.channels)
    }
}

/// All that training and scoring must know of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskSpec {
    /// The stem of its file, such as `pathmnist`; also its key in configs, submissions and records.
    pub name: String,
    /// The name people write, such as `PathMNIST`.
    pub title: String,
    /// How labels are read.
    pub kind: TaskKind,
    /// What the images show.
    pub modality: Modality,
    /// Class names by index; for multi-label tasks, label names.
    pub classes: Vec<String>,
    /// Size of one image as stored.
    pub shape: ImageShape,
    /// Where the data comes from.
    pub origin: Origin,
}

impl TaskSpec {
    /// Columns of a score matrix, and logits of a head: one per class or label. Binary tasks have two, as in the
    /// official benchmark.
    pub fn outputs(&self) -> usize {
        self.classes.len()
    }

    /// Columns of a label matrix: one per label for multi-label tasks, else 1.
    pub fn label_width(&self) -> usize {
        if self.kind == TaskKind::MultiLabel { self.classes.len() } else { 1 }
    }

    /// Number of legal values of one label: 2 for multi-label tasks, else the number of classes.
    pub fn label_values(&self) -> usize {
        if self.kind == TaskKind::MultiLabel { 2 } else { self.classes.len() }
    }

    /// Checks width and range of labels.
    ///
    /// # Errors
    /// [`CoreError::LabelWidth`] or [`CoreError::LabelOutOfRange`] with the first offending row.
    pub fn check_labels(&self, labels: &Labels) -> Result<(), CoreError> {
        if labels.width() != self.label_width() {
            return Err(CoreError::LabelWidth {
                task: self.name.clone(),
                actual: labels.width(),
                expected: self.label_width(),
            });
        }
        let classes = self.label_values();
        match labels.values().iter().position(|&label| usize::from(label) >= classes) {
            None => Ok(()),
            Some(at) => Err(CoreError::LabelOutOfRange {
                task: self.name.clone(),
                row: at / labels.width(),
                label: labels.values()[at],
                classes,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(kind: TaskKind, classes: usize) -> TaskSpec {
        TaskSpec {
            name: "t".into(),
            title: "T".into(),
            kind,
            modality: Modality::Other,
            classes: (0..classes).map(|class| class.to_string()).collect(),
            shape: ImageShape::flat(28, 28, 1),
            origin: Origin::User,
        }
    }

    #[test]
    fn label_checks_name_the_row() {
        let error = task(TaskKind::MultiClass, 3).check_labels(&Labels::single(vec![0, 2, 3]).unwrap()).unwrap_err();
        assert_eq!(error.to_string(), "task `t`: label 3 in row 2 is outside 0..3");
        let many = Labels::multi(vec![0, 1, 1, 2], 2, 2).unwrap();
        let error = task(TaskKind::MultiLabel, 2).check_labels(&many).unwrap_err();
        assert_eq!(error.to_string(), "task `t`: label 2 in row 1 is outside 0..2");
        assert!(matches!(task(TaskKind::Binary, 2).check_labels(&many), Err(CoreError::LabelWidth { .. })));
    }

    #[test]
    fn shape_product_overflow_is_seen() {
        assert_eq!(ImageShape::flat(usize::MAX, 2, 1).checked_len(), None);
        assert_eq!(ImageShape::volume(28, 28, 28, 1).len(), 21_952);
        assert_eq!(ImageShape::volume(2, 3, 4, 1).to_string(), "2x3x4x1");
    }

    #[test]
    fn names_are_stable() {
        assert_eq!(serde_json::to_string(&TaskKind::MultiLabel).unwrap(), "\"multi-label\"");
        assert_eq!(serde_json::to_string(&Modality::ChestXray).unwrap(), "\"chest-xray\"");
    }
}
