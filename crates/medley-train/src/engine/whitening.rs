//! The convolution that whitens patches, measured on training images when a seed begins.

use medley_augment::{BatchRequest, SampleRef};
use medley_models::resize;
use tch::{Device, Kind, Tensor, no_grad_guard};

use super::predict::batch_tensor;
use crate::TrainError;
use crate::config::Experiment;
use crate::data::LearningData;

/// The name of its weight, which is not trained.
pub(super) const WEIGHT: &str = "backbone.whiten.weight";
/// Images that are measured, of all tasks together, as in airbench.
const IMAGES: usize = 5_000;
/// Images at once.
const AT_ONCE: usize = 256;
/// Added to eigenvalues, as in airbench: directions without variance would be all noise.
const EPSILON: f64 = 5e-4;

/// Fills the weight, if the network has one, from training images as they are, equally many of each task.
pub(super) fn measure(
    experiment: &Experiment,
    data: &LearningData,
    state: &[(String, Tensor)],
) -> Result<(), TrainError> {
    let Some((_, weight)) = state.iter().find(|(name, _)| name == WEIGHT) else { return Ok(()) };
    let _guard = no_grad_guard();
    let [_, channels, side, _] = weight.size()[..] else { return Ok(()) };
    let values = channels * side * side;
    let assembler = data.train.assembler(experiment, 0)?;
    let mut stream = assembler.stream(requests(&data.train.rows()), false);
    let mut products = Tensor::f_zeros([values, values], (Kind::Double, Device::Cpu))?;
    let mut count = 0;
    while let Some(batch) = stream.next() {
        let images = batch_tensor(&batch, Device::Cpu)?;
        // As the network takes them.
        let images =
            experiment.net.input_size.map_or(Ok(images.shallow_clone()), |size| resize(&images, size as i64))?;
        let patches = images.f_unfold(2, side, 1)?.f_unfold(3, side, 1)?;
        let rows = patches.f_permute([0, 2, 3, 1, 4, 5])?.f_reshape([-1, values])?.f_to_kind(Kind::Double)?;
        products = products.f_add(&rows.f_transpose(0, 1)?.f_matmul(&rows)?)?;
        count += rows.size()[0];
        stream.recycle(batch);
    }
    let filters = filters(&products.f_div_scalar(count.max(1) as f64)?)?;
    let both = Tensor::f_cat(&[&filters, &filters.f_neg()?], 0)?;
    weight.shallow_clone().f_copy_(&both.f_view(weight.size().as_slice())?.f_to_kind(Kind::Float)?)?;
    Ok(())
}

/// The eigenvectors of `[n, n]` f64, one per row, over the roots of their eigenvalues.
fn filters(covariance: &Tensor) -> Result<Tensor, TrainError> {
    let (eigenvalues, eigenvectors) = covariance.f_linalg_eigh("L")?;
    let scale = eigenvalues.f_clamp_min(0.0)?.f_add_scalar(EPSILON)?.f_rsqrt()?;
    Ok(eigenvectors.f_transpose(0, 1)?.f_mul(&scale.f_unsqueeze(1)?)?)
}

/// Rows that are spread evenly over each task.
fn requests(rows: &[usize]) -> Vec<BatchRequest> {
    let share = IMAGES.div_ceil(rows.len().max(1));
    let mut samples = Vec::new();
    for (task, &rows) in rows.iter().enumerate() {
        let wanted = share.min(rows);
        samples.extend((0..wanted).map(|place| SampleRef { task, index: place * rows / wanted }));
    }
    samples.chunks(AT_ONCE).map(|samples| BatchRequest { epoch: 0, samples: samples.to_vec() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_gives_is_uncorrelated() {
        let noise = (Tensor::arange(4000, (Kind::Double, Device::Cpu)).square() * 0.37).sin().view([1000, 4]);
        let mixing =
            Tensor::from_slice(&[2.0_f64, 0.3, 0.0, 1.0, 0.0, 1.0, 0.5, 0.0, 0.0, 0.0, 3.0, 0.2, 0.0, 0.0, 0.0, 0.7]);
        let rows = noise.matmul(&mixing.view([4, 4]));
        let covariance = |rows: &Tensor| rows.transpose(0, 1).matmul(rows) / 1000.0;
        let whitened = rows.matmul(&filters(&covariance(&rows)).unwrap().transpose(0, 1));
        let off = covariance(&whitened) - Tensor::eye(4, (Kind::Double, Device::Cpu));
        let off = off.abs().max().double_value(&[]);
        assert!(off < 0.05, "{off}");
    }

    #[test]
    fn images_are_of_all_tasks() {
        let requests = requests(&[10, 100_000]);
        let samples: Vec<SampleRef> = requests.into_iter().flat_map(|request| request.samples).collect();
        let of = |task: usize| samples.iter().filter(|sample| sample.task == task).count();
        assert_eq!((of(0), of(1)), (10, 2_500));
        assert_eq!(samples[10 + 2_499], SampleRef { task: 1, index: 2_499 * 40 });
    }
}
