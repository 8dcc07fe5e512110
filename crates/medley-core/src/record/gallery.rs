//! `gallery.json`: images of the validation split that are worth looking at, with their maps.

use serde::{Deserialize, Serialize};

use crate::Split;

/// `gallery.json`: the most confident errors and the least confident hits of one network on the validation split. It holds the
/// pictures, so that a report needs neither the data nor the network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gallery {
    /// [`SCHEMA_VERSION`](super::SCHEMA_VERSION).
    pub schema_version: u32,
    /// Name of the run.
    pub run: String,
    /// The split that is shown; never the test split.
    pub split: Split,
    /// The seed whose network it is.
    pub seed: u64,
    /// Epochs that the network was trained for.
    pub epoch: usize,
    /// The method of the maps, as people read it.
    pub method: String,
    /// One for each task, in the order of the run.
    pub tasks: Vec<GalleryTask>,
}

/// The images of one task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GalleryTask {
    /// Its name.
    pub task: String,
    /// Rows of the split.
    pub rows: usize,
    /// How many of them the network gets wrong.
    pub wrong: usize,
    /// Training images.
    pub training_rows: usize,
    /// Training images among which the nearest were looked for: all, or so many at equal distances.
    pub searched: usize,
    /// Wrong, the most confident first.
    pub errors: Vec<GalleryCase>,
    /// Right, the least confident first.
    pub hits: Vec<GalleryCase>,
}

/// One image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GalleryCase {
    /// Row of the split, counted from 0.
    pub row: usize,
    /// What it is: a class, or of a multi-label task 1 where [`Self::label`] is present and 0 where it is absent.
    pub truth: u16,
    /// What the network says, in the same form.
    pub predicted: u16,
    /// Of a multi-label task, the label that is wrong, or least sure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<u16>,
    /// The probability of what the network says, 0 to 1.
    pub confidence: f64,
    /// The class whose logit the map explains.
    pub explained: u16,
    /// The image, a PNG in Base64 (RFC 4648, with padding), at most [`LARGEST_PICTURE`] pixels a side; of a volume, its slices.
    pub picture: String,
    /// The map over the image, likewise.
    pub overlay: String,
    /// The greatest value of the map, in the units of the logit.
    pub greatest: f64,
    /// Where the map is strong, as a rectangle `[top, left, bottom, right]` in shares of the height and width, 0 to 1; `None` of a map
    /// without a value above 0, and of volumes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<[f64; 4]>,
    /// The share of the map's magnitude that lies in there, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share_inside: Option<f64>,
    /// The nearest training images by the cosine of the features, nearest first.
    pub neighbours: Vec<GalleryNeighbour>,
}

/// A training image that is near.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GalleryNeighbour {
    /// Row of the training split, counted from 0.
    pub row: usize,
    /// What it is, in the form of [`GalleryCase::truth`].
    pub truth: u16,
    /// Cosine of the angle between the features, -1 to 1.
    pub similarity: f64,
    /// The image, a PNG in Base64.
    pub picture: String,
}

/// Pixels a side of the largest picture in a gallery.
pub const LARGEST_PICTURE: u32 = 512;
/// Bytes of the largest gallery: a page that shows it stays below 3 MB.
pub const LARGEST_GALLERY: u64 = 2_200_000;
