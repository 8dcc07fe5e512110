use super::{Selected, Selection, Validation};

medley_core::keys! {
    /// The last, whatever its score, so that nothing is chosen on validation rows: their scores are then not optimistic, which is what
    /// out-of-fold predictions are for. Where networks or trials are compared, their score is `macro_f1`.
    pub struct Last {}
}

impl Selection for Last {
    fn score(&self, validation: &Validation<'_>) -> f64 {
        validation.scores.harmonic_mean
    }

    fn prefers(&self, _: &Selected, _: &Selected) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::example;
    use super::*;

    #[test]
    fn a_later_epoch_is_kept_though_it_is_worse() {
        let validation = Validation { scores: &example(), loss: 2.5 };
        assert_eq!(Last::default().score(&validation), 0.375);
        let at = |score| Selected { score, loss: None };
        assert!(Last::default().prefers(&at(0.5), &at(0.1)));
        assert!(!super::super::MacroF1::default().prefers(&at(0.5), &at(0.1)));
    }
}
