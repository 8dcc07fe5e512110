//! Backbones and heads on libtorch, with weights files read strictly.
