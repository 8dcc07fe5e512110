//! The transforms, one file each: a config that serde reads, checked into a [`Transform`](crate::Transform).

pub mod brightness;
pub mod contrast;
pub mod dihedral;
pub mod flip;
pub mod shift;

pub use brightness::BrightnessConfig;
pub use contrast::ContrastConfig;
pub use dihedral::DihedralConfig;
pub use flip::{FlipAxis, FlipConfig};
pub use shift::ShiftConfig;
