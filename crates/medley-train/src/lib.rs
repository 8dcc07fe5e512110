//! Experiments: config, sampler, losses, optimizers, the loop, checkpoints, scoring.
