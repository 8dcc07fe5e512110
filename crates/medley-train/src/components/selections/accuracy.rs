use super::{Selection, Validation, mean};

medley_core::keys! {
    /// The mean over the tasks of their accuracy.
    pub struct Accuracy {}
}

impl Selection for Accuracy {
    fn score(&self, validation: &Validation<'_>) -> f64 {
        mean(validation.scores.tasks.iter().map(|task| task.accuracy))
    }
}

#[cfg(test)]
mod tests {
    use super::super::example;
    use super::*;

    #[test]
    fn it_is_as_defined() {
        let validation = Validation { scores: &example(), loss: 2.5 };
        assert_eq!(Accuracy::default().score(&validation), 0.75);
    }
}
