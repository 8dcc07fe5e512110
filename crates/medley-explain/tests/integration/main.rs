//! Maps of real networks and of networks made by hand.

#![allow(clippy::unwrap_used, reason = "tests")]

mod captum;
mod methods;
