use medley_kernels::Filters;
use tch::Tensor;

use crate::ModelError;

medley_core::choices! {
    /// How a convolution of a flat net becomes one over volumes, as in the official 3D benchmark (Yang et al., *Reinventing 2D
    /// Convolutions for 3D Images*, 2021).
    #[derive(Default)]
    pub enum VolumeConvolution {
        /// A cube for a square: `k x k x k`.
        #[default]
        Full = "3d",
        /// `1 x k x k`: slices do not mix, except by strides and pooling.
        Slices = "2.5d",
        /// Axial, coronal and sagittal: a third of the filters lies in each plane. Weights are those of the flat net.
        Acs = "acs",
    }
}

/// The axes that a network works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Space {
    /// `[N, C, H, W]`
    Flat,
    /// `[N, C, D, H, W]`
    Volume(VolumeConvolution),
}

impl Space {
    /// 2 or 3.
    pub fn axes(self) -> usize {
        match self {
            Self::Flat => 2,
            Self::Volume(_) => 3,
        }
    }

    /// Sides of a convolution kernel as stored.
    pub(super) fn kernel(self, side: i64) -> Vec<i64> {
        match self {
            Self::Flat | Self::Volume(VolumeConvolution::Acs) => vec![side; 2],
            Self::Volume(VolumeConvolution::Full) => vec![side; 3],
            Self::Volume(VolumeConvolution::Slices) => vec![1, side, side],
        }
    }

    /// The filters of a layer as direct kernels take them: their number, and sides and zeros along depth, height and width.
    pub(super) fn filters(self, outputs: i64, kernel: i64, padding: i64) -> Vec<Filters> {
        let along = |side: i64, own: i64, only: Option<usize>, first: usize| {
            std::array::from_fn(|axis| if axis < first || only == Some(axis) { own } else { side } as usize)
        };
        let of = |outputs: i64, only: Option<usize>, first: usize| Filters {
            outputs: outputs as usize,
            kernel: along(kernel, 1, only, first),
            padding: along(padding, 0, only, first),
        };
        match self {
            Self::Flat | Self::Volume(VolumeConvolution::Slices) => vec![of(outputs, None, 1)],
            Self::Volume(VolumeConvolution::Full) => vec![of(outputs, None, 0)],
            Self::Volume(VolumeConvolution::Acs) => {
                plane_sizes(outputs).into_iter().map(|(plane, len)| of(len, Some(plane), 0)).collect()
            }
        }
    }
}

/// Filters of an ACS convolution that lie in one plane, and the zeros around their input.
pub(super) struct Plane {
    pub(super) weight: Tensor,
    pub(super) padding: [i64; 3],
    pub(super) start: i64,
    pub(super) len: i64,
}

/// Filters by planes.
pub(super) fn planes(weight: &Tensor, p: i64) -> Result<Vec<Plane>, ModelError> {
    let mut planes = Vec::with_capacity(3);
    let mut start = 0;
    for (plane, len) in plane_sizes(weight.size()[0]) {
        let mut padding = [p; 3];
        padding[plane] = 0;
        let weight = weight.f_narrow(0, start, len)?.f_unsqueeze(2 + plane as i64)?;
        planes.push(Plane { weight, padding, start, len });
        start += len;
    }
    Ok(planes)
}

/// How many filters each plane has. The first lie across depth (axial), the next across height (coronal), the last across width (sagittal);
/// when three does not divide their number, the first planes have one more.
fn plane_sizes(outputs: i64) -> Vec<(usize, i64)> {
    (0..3).map(|plane| (plane as usize, (outputs + 2 - plane) / 3)).filter(|&(_, len)| len > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_of_direct_kernels_are_those_of_the_planes() {
        for (outputs, kernel, p) in [(16, 3, 1), (32, 5, 2), (2, 3, 1), (16, 1, 0)] {
            let weight = Tensor::zeros([outputs, 4, kernel, kernel], (tch::Kind::Float, tch::Device::Cpu));
            let sides = |sides: &[i64]| -> Vec<usize> { sides.iter().map(|&side| side as usize).collect() };
            let of_planes = planes(&weight, p)
                .unwrap()
                .into_iter()
                .map(|plane| (plane.len as usize, sides(&plane.weight.size()[2..]), sides(&plane.padding)));
            let of_filters = Space::Volume(VolumeConvolution::Acs).filters(outputs, kernel, p).into_iter();
            let of_filters =
                of_filters.map(|filters| (filters.outputs, filters.kernel.to_vec(), filters.padding.to_vec()));
            assert_eq!(of_filters.collect::<Vec<_>>(), of_planes.collect::<Vec<_>>());
        }
    }
}
