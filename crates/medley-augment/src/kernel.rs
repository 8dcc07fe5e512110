//! The loops over pixels. Everything here is a function of numbers and slices.

#[macro_use]
mod dispatch;

pub(crate) mod blur;
pub(crate) mod colour;
pub(crate) mod elastic;
pub(crate) mod histogram;
pub(crate) mod lattice;
pub(crate) mod noise;
pub(crate) mod resample;
pub(crate) mod tone;
mod volume;
