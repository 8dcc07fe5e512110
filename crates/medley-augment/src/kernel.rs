//! The loops that move pixels.

pub(crate) mod lattice;
pub(crate) mod resample;
