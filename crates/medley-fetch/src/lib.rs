//! Downloading published files: resumed where they broke off, verified before they get their name.
//!
//! A file arrives as `NAME.npz.part`, beside a `NAME.npz.part.from` that says which version of it is being fetched. A later
//! attempt asks for the rest with `Range` and `If-Range`; a server that has another version by now, or knows no ranges,
//! sends the whole again. Only when the MD5 is the published one is the file renamed. A complete file with another MD5 is kept
//! as `NAME.npz.rejected` and never used, and nothing is fetched again until somebody has looked at it and taken it away.
//!
//! Addresses are tried in turn: the published one (or a base of the caller's), then mirrors. At each, failures that may pass
//! are tried again after a pause, which doubles, or which the server names. Processes that want the same file wait for
//! each other: the part is locked while it grows.
//!
//! This is the only crate that downloads. Decisions (`policy`) are apart from it (`transfer`) and from the disk (`part`).
//!
//! ```
//! use medley_data::Registry;
//! use medley_fetch::{FetchOptions, Request, Stop, fetch};
//!
//! let folder = tempfile::tempdir()?;
//! let entry = Registry::builtin().find("breastmnist")?;
//! // Nothing listens at port 1: what failed is said, and nothing is left behind.
//! let options = FetchOptions { base_url: Some("http://127.0.0.1:1".to_owned()), attempts: 1, ..FetchOptions::default() };
//! let outcome = fetch(&Request::current(entry, 28), folder.path(), &options, &Stop::new(false), &|_| {});
//! assert!(outcome.unwrap_err().to_string().starts_with("cannot fetch `http://127.0.0.1:1/breastmnist.npz`"));
//! assert_eq!(std::fs::read_dir(folder.path())?.count(), 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;
mod fetch;
mod part;
mod policy;
mod request;
mod transfer;

pub use error::FetchError;
pub use fetch::{fetch, fetch_all};
pub use request::{FetchEvent, FetchOptions, Fetched, OnEvent, Request, Stop};

/// The example in the README runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
