use super::{Selection, Validation};

medley_core::keys! {
    /// The lowest mean over the tasks of their validation loss.
    pub struct ValidationLoss {}
}

impl Selection for ValidationLoss {
    fn score(&self, validation: &Validation<'_>) -> f64 {
        -validation.loss
    }
}

#[cfg(test)]
mod tests {
    use super::super::example;
    use super::*;

    #[test]
    fn it_is_as_defined() {
        let validation = Validation { scores: &example(), loss: 2.5 };
        assert_eq!(ValidationLoss::default().score(&validation), -2.5);
    }
}
