//! What opening a data set yields.

use std::fmt;
use std::sync::Arc;

use crate::{CoreError, ImageSource, Labels, SealedLabels, Split, TaskSpec};

/// Images with their labels. Cloning shares the images.
#[derive(Clone)]
pub struct LabelledImages {
    images: Arc<dyn ImageSource>,
    labels: Labels,
}

impl LabelledImages {
    /// Pairs images and labels.
    ///
    /// # Errors
    /// [`CoreError::LengthMismatch`], or what [`TaskSpec::check_labels`] finds.
    pub fn new(task: &TaskSpec, split: Split, images: Arc<dyn ImageSource>, labels: Labels) -> Result<Self, CoreError> {
        check_lengths(task, split, images.len(), labels.rows())?;
        task.check_labels(&labels)?;
        Ok(Self { images, labels })
    }

    /// The images.
    pub fn images(&self) -> &Arc<dyn ImageSource> {
        &self.images
    }

    /// Their labels, row `i` for image `i`.
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.images.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.images.is_empty()
    }
}

impl fmt::Debug for LabelledImages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LabelledImages({} of {})", self.len(), self.images.shape())
    }
}

/// Test images, and their labels under seal.
#[derive(Clone)]
pub struct SealedTest {
    /// The images, for prediction.
    pub images: Arc<dyn ImageSource>,
    /// The labels, for scoring.
    pub labels: SealedLabels,
}

impl SealedTest {
    /// Checks and seals the test split.
    ///
    /// # Errors
    /// As [`LabelledImages::new`].
    pub fn new(task: &TaskSpec, images: Arc<dyn ImageSource>, labels: Labels) -> Result<Self, CoreError> {
        check_lengths(task, Split::Test, images.len(), labels.rows())?;
        task.check_labels(&labels)?;
        Ok(Self { images, labels: SealedLabels::seal(&task.name, labels) })
    }
}

impl fmt::Debug for SealedTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedTest({} of {})", self.images.len(), self.images.shape())
    }
}

/// A data set, opened: two splits to learn from, one to be scored on.
#[derive(Debug, Clone)]
pub struct OpenedTask {
    /// What is to be learnt.
    pub spec: TaskSpec,
    /// For fitting.
    pub train: LabelledImages,
    /// For selection.
    pub val: LabelledImages,
    /// For the final score.
    pub test: SealedTest,
}

fn check_lengths(task: &TaskSpec, split: Split, images: usize, labels: usize) -> Result<(), CoreError> {
    if images == labels {
        Ok(())
    } else {
        Err(CoreError::LengthMismatch { task: task.name.clone(), split, images, labels })
    }
}
