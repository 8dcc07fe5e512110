use medley_core::keys::KeyError;

use super::{Action, Callback, EpochReport};

medley_core::keys! {
    /// Parameters that stay as they are in the first epochs of each seed and are trained from then on: fresh heads on a pretrained
    /// trunk, before it moves. They have no gradient meanwhile, and begin as with a fresh optimizer. Their `BatchNorm` goes on as any
    /// other: it normalises by the batch, and its running statistics follow. The schedule does not know of it.
    pub struct FreezeConfig {
        /// Names of parameters, where `*` is any text and `?` any character: `["backbone.*"]`. Each must match one.
        r#match: Vec<String> = Vec::new();
        /// Epochs that they are frozen for, fewer than `train.epochs`. For a whole run, use `frozen` of `[[optimizer.groups]]`, whose
        /// parameters stay frozen.
        epochs: Option<usize> = None, in 1..=100_000;
    }
}

impl FreezeConfig {
    /// Checks what its keys mean together, in runs of `epochs` epochs.
    ///
    /// # Errors
    /// A key that lacks its other half, and epochs that leave none to train in.
    pub(crate) fn check_together(&self, epochs: usize) -> Result<(), KeyError> {
        let refuse = |key: &str, value: String, allowed: &str| {
            Err(KeyError { key: format!("freeze.{key}"), value, allowed: allowed.to_owned() })
        };
        match self.epochs {
            None if self.r#match.is_empty() => Ok(()),
            None => refuse("match", format!("{:?}", self.r#match), "given together with `freeze.epochs`"),
            Some(frozen) if self.r#match.is_empty() => {
                refuse("epochs", frozen.to_string(), "given together with `freeze.match`")
            }
            Some(frozen) if frozen >= epochs => {
                let allowed = format!(
                    "below `train.epochs`, {epochs}: what is never trained is a group with `frozen = true` in \
                     `[[optimizer.groups]]`"
                );
                refuse("epochs", frozen.to_string(), &allowed)
            }
            Some(_) => Ok(()),
        }
    }
}

/// Freezes parameters before the first epoch, and trains them after so many.
#[derive(Debug, Clone)]
pub struct Freeze {
    patterns: Vec<String>,
    epochs: usize,
}

impl Freeze {
    /// Freezes the parameters whose names match one of the patterns for `epochs` epochs.
    pub fn new(patterns: Vec<String>, epochs: usize) -> Self {
        Self { patterns, epochs }
    }
}

impl Callback for Freeze {
    fn begin(&mut self) -> Action {
        Action::Freeze(self.patterns.clone())
    }

    fn after_epoch(&mut self, report: &EpochReport<'_>) -> Action {
        if report.epoch == self.epochs { Action::Freeze(Vec::new()) } else { Action::Continue }
    }
}

#[cfg(test)]
mod tests {
    use super::super::check_callback;
    use super::*;

    #[test]
    fn it_ends_after_its_epochs_and_goes_on_wherever_it_was() {
        let make = || Freeze::new(vec!["backbone.*".into()], 2);
        check_callback(&|| Box::new(make()), &[0.1, 0.2, 0.3, 0.4]);
        assert_eq!(make().begin(), Action::Freeze(vec!["backbone.*".into()]));
        let actions: Vec<Action> = (1..=3)
            .map(|epoch| {
                let report =
                    EpochReport { seed: 0, epoch, steps: 5, train_loss: 1.0, validation: &[], score: 0.5, best: false };
                make().after_epoch(&report)
            })
            .collect();
        assert_eq!(actions, [Action::Continue, Action::Freeze(Vec::new()), Action::Continue]);
    }

    #[test]
    fn half_a_table_and_too_many_epochs_are_refused() {
        let refused = |config: &str| {
            let config: FreezeConfig = toml::from_str(config).unwrap();
            config.check_together(5).err().map(|error| error.to_string())
        };
        assert_eq!(refused(""), None);
        assert_eq!(refused("match = ['a']\nepochs = 4"), None);
        let message = refused("match = ['a']").unwrap();
        assert!(
            message.starts_with("`freeze.match` is [\"a\"], but must be given together with `freeze.epochs`"),
            "{message}"
        );
        assert!(
            refused("epochs = 1")
                .unwrap()
                .starts_with("`freeze.epochs` is 1, but must be given together with `freeze.match`")
        );
        assert!(refused("match = ['a']\nepochs = 5").unwrap().contains("must be below `train.epochs`, 5"));
    }
}
