//! Trained models that come with the program.
//!
//! Whoever has the program has these networks: nothing is downloaded, and no run or data folder is needed. Each is a package, as
//! `medley models export` writes it, in `models/` of this crate, and is embedded as it lies there. `scripts/builtin` makes the folders out
//! of finished runs.
//!
//! This is a crate of its own for two reasons. What changes here are files of a megabyte, not code: nobody who works on prediction has
//! them in their way. And it needs no libtorch: what is said of the models can be checked in a second.
//!
//! ```
//! let model = medley_builtin::find("breastmnist").ok_or("it is there")?;
//! let package = model.package()?;
//! assert_eq!(package.models()[0].classes(), ["malignant", "normal, benign"]);
//! assert_eq!(package.weights().bytes, model.weights.len() as u64);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use medley_package::{Package, PackageError};

/// The most bytes of weights that a model has here.
pub const MOST_BYTES: usize = 3_000_000;

/// A package that is part of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuiltIn {
    /// What it is called, and the name of its package: that of its task.
    pub name: &'static str,
    /// The text of its `model.toml`.
    pub description: &'static str,
    /// The bytes of its `model.safetensors`.
    pub weights: &'static [u8],
    /// The text of its `README.md`.
    pub card: &'static str,
    /// The text of its `config.toml`: the experiment that trained it.
    pub config: &'static str,
}

macro_rules! embedded {
    ($name:literal) => {
        BuiltIn {
            name: $name,
            description: include_str!(concat!("../models/", $name, "/model.toml")),
            weights: include_bytes!(concat!("../models/", $name, "/model.safetensors")),
            card: include_str!(concat!("../models/", $name, "/README.md")),
            config: include_str!(concat!("../models/", $name, "/config.toml")),
        }
    };
}

/// All of them, by name.
pub static ALL: [BuiltIn; 5] = [
    embedded!("adrenalmnist3d"),
    embedded!("breastmnist"),
    embedded!("dermamnist"),
    embedded!("pneumoniamnist"),
    embedded!("retinamnist"),
];

/// The one of this name.
pub fn find(name: &str) -> Option<&'static BuiltIn> {
    ALL.iter().find(|model| model.name == name)
}

/// Their names, for messages: `breastmnist, dermamnist`.
pub fn names() -> String {
    ALL.map(|model| model.name).join(", ")
}

impl BuiltIn {
    /// Its description, checked.
    ///
    /// # Errors
    /// None for what is embedded: a test reads all of it.
    pub fn package(&self) -> Result<Package, PackageError> {
        Package::parse(self.description)
    }

    /// Its files with their names, as they lie in a package.
    pub fn files(&self) -> [(&'static str, &'static [u8]); 4] {
        [
            ("model.toml", self.description.as_bytes()),
            ("model.safetensors", self.weights),
            ("README.md", self.card.as_bytes()),
            ("config.toml", self.config.as_bytes()),
        ]
    }
}

#[cfg(test)]
mod tests;

/// The example in the README runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
