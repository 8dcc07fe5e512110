//! Attached functions beside libtorch's own.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use medley_autograd::attach;
use tch::{Kind, TchError, Tensor};

fn tensor(values: &[f32]) -> Tensor {
    Tensor::from_slice(values).set_requires_grad(true)
}

fn product(a: &Tensor, b: &Tensor) -> Tensor {
    let result = tch::no_grad(|| a * b);
    attach(result, &[a, b], &[a, b], |gradient, saved, wanted| {
        let partial = |of: usize, other: usize| wanted[of].then(|| gradient.f_mul(&saved[other])).transpose();
        Ok(vec![partial(0, 1)?, partial(1, 0)?])
    })
    .unwrap()
}

#[test]
fn gradients_add_up_as_those_of_libtorch() {
    let [own, theirs] = [product, |a: &Tensor, b: &Tensor| a * b].map(|product| {
        let (a, b) = (tensor(&[1.0, 2.0, -3.0]), tensor(&[0.5, 4.0, 1.0]));
        let c = product(&a, &b).relu();
        let d = product(&c, &a) + product(&a.detach(), &b);
        d.square().sum(Kind::Float).backward();
        [a.grad(), b.grad()].map(|gradient| Vec::<f32>::try_from(gradient).unwrap())
    });
    assert_eq!(own, theirs);
}

#[test]
fn only_what_is_asked_for_is_wanted() {
    let (a, b) = (tensor(&[2.0]), Tensor::from_slice(&[3.0_f32]));
    let result = attach(tch::no_grad(|| &a * &b), &[&a, &b], &[&b], |gradient, saved, wanted| {
        assert_eq!(wanted, [true, false]);
        Ok(vec![Some(gradient.f_mul(&saved[0])?), None])
    });
    result.unwrap().backward();
    assert_eq!(a.grad().double_value(&[0]), 3.0);
}

#[test]
fn without_a_record_nothing_is_attached() {
    let a = tensor(&[2.0]);
    let result = tch::no_grad(|| product(&a, &a));
    assert!(!result.requires_grad());
    let plain = Tensor::from_slice(&[2.0_f32]);
    assert!(!product(&plain, &plain).requires_grad());
}

#[test]
fn errors_and_panics_of_a_backward_pass_are_errors() {
    type Failing = fn() -> Result<Vec<Option<Tensor>>, TchError>;
    let failing: [Failing; 3] = [|| Err(TchError::Kind("no gradient here".into())), || panic!("oh"), || Ok(Vec::new())];
    for (failing, words) in failing.into_iter().zip(["no gradient here", "panicked", "0 gradients for 1 inputs"]) {
        let a = tensor(&[2.0]);
        let result = attach(tch::no_grad(|| &a * 2.0), &[&a], &[], move |_, _, _| failing()).unwrap();
        let error = Tensor::f_run_backward(&[&result], &[&a], false, false).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn a_saved_tensor_that_was_changed_is_noticed() {
    let a = tensor(&[2.0]);
    let mut b = tch::no_grad(|| &a * 1.0);
    let result =
        attach(tch::no_grad(|| &a * &b), &[&a], &[&b], |gradient, saved, _| Ok(vec![Some(gradient.f_mul(&saved[0])?)]));
    let result = result.unwrap();
    let _ = b.fill_(5.0);
    let error = Tensor::f_run_backward(&[&result], &[&a], false, false).unwrap_err().to_string();
    assert!(error.contains("modified by an inplace operation"), "{error}");
}

#[test]
fn what_a_function_holds_goes_with_the_graph() {
    struct Counted(Arc<AtomicUsize>);
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let dropped = Arc::new(AtomicUsize::new(0));
    let a = tensor(&[2.0]);
    for backward in [false, true] {
        let counted = Counted(Arc::clone(&dropped));
        let result = attach(tch::no_grad(|| &a * 2.0), &[&a], &[], move |gradient, _, _| {
            let _held = &counted;
            Ok(vec![Some(gradient)])
        });
        let result = result.unwrap();
        assert_eq!(dropped.load(Ordering::Relaxed), usize::from(backward));
        if backward {
            result.backward();
        }
        drop(result);
        assert_eq!(dropped.load(Ordering::Relaxed), 1 + usize::from(backward));
    }
    // Nothing to attach to: gone at once.
    let counted = Counted(Arc::clone(&dropped));
    let plain = Tensor::from_slice(&[1.0_f32]);
    let result = attach(plain.shallow_clone(), &[&plain], &[], move |_, _, _| {
        let _held = &counted;
        Ok(vec![None])
    });
    drop(result.unwrap());
    assert_eq!(dropped.load(Ordering::Relaxed), 3);
}
