//! Users' images in and out, and contact sheets.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests may panic")]

mod export;
mod import;
mod montage;
