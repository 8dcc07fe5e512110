//! What every loss must do. Call [`check_loss`] from the test of a new one.

use medley_core::Labels;
use tch::{Kind, Tensor};

use super::Loss;

/// Checks shapes, finiteness at extreme logits, that the gradient is finite and points downhill, that a right and certain
/// answer costs less than a wrong one, and that probabilities lie in 0..=1.
///
/// # Panics
/// When the loss does not conform: this is a test.
#[allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test that extenders call")]
pub fn check_loss(loss: &dyn Loss, outputs: usize, label_width: usize) {
    let rows = 6_usize;
    let values =
        (0..rows * label_width).map(|i| if label_width == 1 { (i % outputs) as u16 } else { (i % 2) as u16 }).collect();
    let labels = Labels::multi(values, rows, label_width).unwrap();
    let indices: Vec<usize> = (0..rows).collect();
    let targets = loss.targets(&labels, &indices).unwrap();
    let shape = [rows as i64, outputs as i64];

    tch::manual_seed(1);
    let logits = Tensor::randn(shape, (Kind::Float, tch::Device::Cpu)).set_requires_grad(true);
    let per_row = loss.per_row(&logits, &targets).unwrap();
    assert_eq!(per_row.size(), [rows as i64], "one loss per row");
    let before = per_row.mean(Kind::Float);
    before.backward();
    let gradient = logits.grad();
    assert!(bool::try_from(gradient.isfinite().all()).unwrap(), "the gradient is finite");
    let moved = logits.detach() - &gradient * 0.1;
    let after = loss.per_row(&moved, &targets).unwrap().mean(Kind::Float);
    assert!(after.double_value(&[]) < before.double_value(&[]), "a step against the gradient lowers the loss");

    let right = if label_width == 1 { targets.one_hot(outputs as i64) } else { targets.shallow_clone() };
    let certain = (right.to_kind(Kind::Float) * 2.0 - 1.0) * 4.0;
    let good = loss.per_row(&certain, &targets).unwrap();
    let bad = loss.per_row(&(&certain * -1.0), &targets).unwrap();
    assert!(
        bool::try_from(good.less_tensor(&bad).all()).unwrap(),
        "right and certain costs less than wrong and certain"
    );

    for extreme in [Tensor::full(shape, 1e4, (Kind::Float, tch::Device::Cpu)), &certain * 1e4] {
        assert!(bool::try_from(loss.per_row(&extreme, &targets).unwrap().isfinite().all()).unwrap(), "no overflow");
        let probabilities = loss.probabilities(&extreme).unwrap();
        assert_eq!(probabilities.size(), shape);
        let inside = probabilities.ge(0.0).logical_and(&probabilities.le(1.0)).all();
        assert!(bool::try_from(inside).unwrap(), "probabilities lie in 0..=1");
    }
}
