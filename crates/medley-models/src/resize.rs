//! Images of another size, in a batch.

use tch::Tensor;

use crate::ModelError;

/// Images `[N, C, H, W]` with sides of `side` pixels, bilinear, or volumes `[N, C, D, H, W]`, trilinear; of the same dtype, on the
/// same device. As PyTorch's `torch.nn.functional.interpolate` with `align_corners=False` and without `antialias`: pixels are
/// squares, and what lies outside their centres has the value of the nearest.
///
/// # Errors
/// [`ModelError::Torch`] when memory runs out.
pub fn resize(images: &Tensor, side: i64) -> Result<Tensor, ModelError> {
    let shape = images.size();
    if shape[2..].iter().all(|&have| have == side) {
        return Ok(images.shallow_clone());
    }
    Ok(if shape.len() == 4 {
        images.f_upsample_bilinear2d([side; 2], false, None, None)?
    } else {
        images.f_upsample_trilinear3d([side; 3], false, None, None, None)?
    })
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;
    use crate::conformance::{noise, task};
    use crate::{BackboneConfig, BuildOptions, ComputePlan, MultiTaskNet, NetConfig, Segment};

    fn values(tensor: &Tensor) -> Vec<f32> {
        Vec::try_from(tensor.contiguous().view([-1])).unwrap()
    }

    #[test]
    fn values_are_those_of_pytorch() {
        // The example in the documentation of `torch.nn.Upsample`.
        let square = Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0]).view([1, 1, 2, 2]);
        let expected = [1.0, 1.25, 1.75, 2.0, 1.5, 1.75, 2.25, 2.5, 2.5, 2.75, 3.25, 3.5, 3.0, 3.25, 3.75, 4.0];
        assert_eq!(values(&resize(&square, 4).unwrap()), expected);
        // Centres of five pixels lie at -0.2, 0.4, 1.0, 1.6 and 2.2 of three.
        let row = Tensor::arange(3, (Kind::Float, Device::Cpu)).expand([1, 1, 3, 3], false);
        for (value, expected) in values(&resize(&row, 5).unwrap()).iter().zip([0.0, 0.4, 1.0, 1.6, 2.0].iter().cycle())
        {
            assert!((value - expected).abs() < 1e-6, "{value}, not {expected}");
        }
        // Smaller ones are read off between two pixels, not smoothed.
        let wide = Tensor::arange(8, (Kind::Float, Device::Cpu)).expand([1, 1, 8, 8], false);
        assert_eq!(values(&resize(&wide, 2).unwrap()), [1.5, 5.5, 1.5, 5.5]);
    }

    #[test]
    fn volumes_are_resized_along_all_axes() {
        let volume = Tensor::from_slice(&[1.0_f32, 2.0]).view([1, 1, 2, 1, 1]).expand([1, 1, 2, 2, 2], false);
        let large = resize(&volume, 4).unwrap();
        assert_eq!(large.size(), [1, 1, 4, 4, 4]);
        assert_eq!(values(&large.select(4, 1).select(3, 2)), [1.0, 1.25, 1.75, 2.0]);
    }

    #[test]
    fn a_network_resizes_what_it_is_given() {
        let backbone = BackboneConfig::with_width("resnet18", 4);
        let tasks = [task("a", 2), task("b", 3)];
        let config = |input_size| NetConfig { backbone: backbone.clone(), input_size, ..NetConfig::default() };
        let build = |input_size: Option<usize>, images: i64, replicas: usize| {
            let plan = ComputePlan { replicas, ..ComputePlan::default() };
            let options = BuildOptions { input_size: images, plan, ..BuildOptions::default() };
            MultiTaskNet::build(&config(input_size).validated().unwrap(), &tasks, &options).unwrap()
        };
        let segments = [Segment { task: 0, start: 0, len: 4 }, Segment { task: 1, start: 4, len: 4 }];
        let small = noise(0, 8, 3, 28).unwrap();
        let large = resize(&small, 64).unwrap();
        for replicas in [1, 2] {
            let (resizing, plain) = (build(Some(64), 28, replicas), build(None, 64, replicas));
            assert_eq!((resizing.input_size(), resizing.input_values()), (64, 3 * 64 * 64));
            assert_eq!(resizing.work().unwrap(), plain.work().unwrap());
            for train in [false, true] {
                let ours = resizing.forward(&small, &segments, train).unwrap();
                let theirs = plain.forward(&large, &segments, train).unwrap();
                assert!(ours.iter().zip(&theirs).all(|(a, b)| a.equal(b)), "{replicas} replicas, training: {train}");
            }
            let ours = resizing.inference().forward(&small, &segments).unwrap();
            let theirs = plain.inference().forward(&large, &segments).unwrap();
            assert!(ours.iter().zip(&theirs).all(|(a, b)| a.equal(b)), "{replicas} replicas");
        }
    }
}
