use super::{Selection, Validation, mean};

medley_core::keys! {
    /// The mean over the tasks of their AUC; a task whose AUC is not defined is left out.
    pub struct Auc {}
}

impl Selection for Auc {
    fn score(&self, validation: &Validation<'_>) -> f64 {
        mean(validation.scores.tasks.iter().filter_map(|task| task.auc))
    }
}

#[cfg(test)]
mod tests {
    use super::super::example;
    use super::*;

    #[test]
    fn it_is_as_defined() {
        let validation = Validation { scores: &example(), loss: 2.5 };
        assert_eq!(Auc::default().score(&validation), 0.75);
    }
}
