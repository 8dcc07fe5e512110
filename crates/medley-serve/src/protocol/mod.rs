//! The Open Inference Protocol, version 2: what models say of themselves, tensors in requests, tensors in answers.
//!
//! Pure functions of bytes: [`request`] reads, [`response`] writes, [`signature`] says which tensors a model takes and gives. Source:
//! <https://github.com/kserve/open-inference-protocol>, and for binary tensors and classifications Triton's extensions,
//! <https://github.com/triton-inference-server/server/tree/main/docs/protocol>.

mod bounded;
mod data;
mod request;
mod response;
pub(crate) mod schema;
mod signature;

pub(crate) use request::parse;
pub(crate) use response::{BINARY_LENGTH, encode};
pub(crate) use signature::{ModelMetadata, ServerMetadata};
pub(crate) use signature::{Signature, VERSION};
