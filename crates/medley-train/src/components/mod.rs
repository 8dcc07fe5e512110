//! What an experiment chooses by name: losses, weights of tasks, optimizers, schedules, averages, selections.
//!
//! `[optimizer] name = "adamw", beta1 = 0.9` selects one of several. Each is a file of its own that holds its keys (through
//! [`medley_core::keys!`], so with types, defaults, ranges and meanings), its documentation with source, what it does, and its
//! tests; a line in the registry of its kind makes it known to configs, to `medley config keys` and to the conformance tests.
//! What all of a kind have in common is declared once beside the registry.
//!
//! A [`Component`] is such a table as written. A key of another one of the kind is refused, with the one that it belongs to:
//!
//! ```
//! use medley_train::components::optimizers::OptimizerConfig;
//!
//! let config: OptimizerConfig = toml::from_str("name = 'sgd'\nmomentum = 0.8\nlearning_rate = 0.1")?;
//! assert_eq!((config.name(), config.learning_rate), ("sgd", 0.1));
//!
//! let error = toml::from_str::<OptimizerConfig>("name = 'sgd'\nbeta2 = 0.9").unwrap_err();
//! assert!(error.message().contains("`beta2` is a key of `adamw`, `adam`, `muon`; `sgd` has `learning_rate`"));
//! # Ok::<(), toml::de::Error>(())
//! ```

pub mod averages;
pub mod callbacks;
mod component;
pub mod losses;
pub mod optimizers;
pub mod patterns;
pub mod schedules;
pub mod selections;
pub mod task_weights;

pub use component::{Choice, Component};

/// Makes the enum of a kind: one line per component, the first of which is the default. A line has the name of the variant, its
/// table of keys, and its name in TOML. The enum derefs to the trait of the kind.
macro_rules! registry {
    (
        $(#[doc = $doc:literal])+
        $choice:ident: dyn $kind:path = $table:literal {
            $first:ident($first_keys:ty) = $first_name:literal,
            $($variant:ident($keys:ty) = $name:literal,)*
        }
    ) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, PartialEq, serde::Serialize)]
        #[serde(tag = "name")]
        #[non_exhaustive]
        pub enum $choice {
            #[doc = concat!("`", $first_name, "`, the default.")]
            #[serde(rename = $first_name)]
            $first($first_keys),
            $(#[doc = concat!("`", $name, "`")] #[serde(rename = $name)] $variant($keys),)*
        }

        impl Default for $choice {
            fn default() -> Self {
                Self::$first(<$first_keys>::default())
            }
        }

        impl std::ops::Deref for $choice {
            type Target = dyn $kind;

            fn deref(&self) -> &Self::Target {
                match self {
                    Self::$first(keys) => keys,
                    $(Self::$variant(keys) => keys,)*
                }
            }
        }

        impl $crate::components::Choice for $choice {
            const TABLE: &'static str = $table;
            const NAMES: &'static [&'static str] = &[$first_name, $($name),*];

            fn name(&self) -> &'static str {
                match self {
                    Self::$first(_) => $first_name,
                    $(Self::$variant(_) => $name,)*
                }
            }

            fn about(name: &str) -> String {
                use medley_core::keys::Table as _;
                match name {
                    $($name => <$keys>::about(),)*
                    _ => <$first_keys>::about(),
                }
            }

            fn keys_of(name: &str, at: &str) -> Vec<medley_core::keys::Key> {
                use medley_core::keys::Table as _;
                match name {
                    $($name => <$keys>::keys(at),)*
                    _ => <$first_keys>::keys(at),
                }
            }

            fn read(name: &str, keys: toml::Table) -> Result<Self, String> {
                use $crate::components::component::read;
                match name {
                    $($name => read(keys).map(Self::$variant),)*
                    _ => read(keys).map(Self::$first),
                }
            }

            fn check(&self, at: &str) -> Result<(), medley_core::keys::KeyError> {
                use medley_core::keys::Table as _;
                match self {
                    Self::$first(keys) => keys.check(at),
                    $(Self::$variant(keys) => keys.check(at),)*
                }
            }
        }
    };
}
use registry;
