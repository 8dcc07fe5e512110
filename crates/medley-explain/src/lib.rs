//! Where in an image a network looks: attribution maps, their numbers and pictures.
//!
//! [`explain`] asks a [`Network`] about a batch of images and gives an [`Explanation`] for each: a map with a number for each place
//! that says what the place adds to the logit of a class. There are three [`Method`]s, each defined by a paper and in agreement
//! with captum:
//!
//! | | What it is | Sign | Passes per image |
//! |---|---|---|---|
//! | [`Method::GradCam`] | the last feature map, its channels weighted by their mean gradient (Selvaraju et al. 2017) | none | 1, and one backward from the map |
//! | [`Method::IntegratedGradients`] | gradients from a baseline to the image (Sundararajan et al. 2017) | yes | `steps`, with backward passes |
//! | [`Method::Occlusion`] | what the logit loses where a window is hidden (Zeiler and Fergus 2014) | yes | one per window |
//!
//! What is made of a map needs no network: [`AttributionMap::numbers`] says it without colour, [`overlay`] draws it, and [`gallery`]
//! chooses the images that are worth looking at.
//!
//! A map shows what a network used, not what is there: it is no evidence of disease, and a plausible map does not make a prediction
//! right. The same network, images and options give the same bits on the same machine.
//!
//! ```
//! use medley_explain::{Method, Options, TaskNetwork, explain};
//! use medley_models::{BuildOptions, MultiTaskNet, NetConfig, conformance};
//!
//! let net = MultiTaskNet::build(&NetConfig::default().validated()?, &[conformance::task("breastmnist", 2)], &BuildOptions::default())?;
//! let images = conformance::noise(0, 2, 3, 28)?;
//! let maps = explain(&TaskNetwork::new(&net, 0), &images, &[1, 0], &Options::new(Method::GradCam))?;
//! assert_eq!((maps.len(), maps[0].class), (2, 1));
//! assert!(maps[0].map.values().iter().all(|&value| value >= 0.0));
//! # Ok::<(), medley_explain::ExplainError>(())
//! ```

mod colour;
mod error;
pub mod gallery;
mod grad_cam;
mod integrated_gradients;
mod map;
mod method;
mod network;
mod occlusion;
pub mod overlay;

pub use error::ExplainError;
pub use map::{AttributionMap, MapNumbers};
pub use method::{Explanation, Method, Options, explain};
pub use network::{Network, Pass, TaskNetwork};

/// The example in the README runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
