use super::{Selection, Validation};

medley_core::keys! {
    /// The harmonic mean over the tasks of their macro-F1, the score of the competition.
    pub struct MacroF1 {}
}

impl Selection for MacroF1 {
    fn score(&self, validation: &Validation<'_>) -> f64 {
        validation.scores.harmonic_mean
    }
}

#[cfg(test)]
mod tests {
    use super::super::example;
    use super::*;

    #[test]
    fn it_is_as_defined() {
        let validation = Validation { scores: &example(), loss: 2.5 };
        assert_eq!(MacroF1::default().score(&validation), 0.375);
    }
}
