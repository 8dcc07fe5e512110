//! ONNX models: a network as a file that other programs run.
//!
//! [ONNX](https://onnx.ai) is a protobuf file that holds a graph of operators and their weights. This crate writes it: IR version 8
//! and operator set 17, which every runtime of the last years reads. It knows no tensor library; who has a network says what it
//! computes, operator by operator, to a [`GraphBuilder`].
//!
//! Runtimes report a wrong graph late and tersely, so the builder refuses it at the line that made it: the shape of every value is
//! known while the graph grows, names are given once, and values belong to the graph that made them. What is said twice is written
//! once: the same operator on the same inputs is the same [`Value`], so that several tasks that share layers share them in the file.
//!
//! The same calls give the same bytes. Files above 2 GB, protobuf's limit, are refused.
//!
//! ```
//! use medley_onnx::{Constant, DataType, Dim, GraphBuilder, Information, proto::ModelProto};
//!
//! let mut graph = GraphBuilder::new("regression");
//! let x = graph.input("x", DataType::Float, &[Dim::Batch, Dim::Fixed(3)], "three numbers")?;
//! let weight = graph.constant("weight", Constant::f32(&[2, 3], &[1.0, 0.0, 2.0, 0.0, 1.0, 0.0])?)?;
//! let bias = graph.constant("bias", Constant::f32(&[2], &[0.5, -0.5])?)?;
//! let y = graph.gemm(&x, &weight, &bias)?;
//! assert_eq!(y.shape(), [Dim::Batch, Dim::Fixed(2)]);
//! graph.output(&y, "y", "two numbers")?;
//! let bytes = graph.into_bytes(&Information::default())?;
//!
//! let model = ModelProto::read(&bytes)?;
//! assert_eq!(model.graph().node[0].op_type(), "Gemm");
//! # Ok::<(), medley_onnx::OnnxError>(())
//! ```

mod constant;
mod error;
mod graph;
mod ops;
pub mod proto;
mod shape;

pub use constant::{Constant, DataType};
pub use error::OnnxError;
pub use graph::{GraphBuilder, Information, Value};
pub use ops::Window;
pub use shape::Dim;

/// Version of the file format that is written.
pub const IR_VERSION: i64 = 8;

/// Version of the operators that are used.
pub const OPSET: i64 = 17;

/// Protobuf lengths are 32-bit signed numbers in most readers.
pub const LARGEST_FILE: usize = i32::MAX as usize;
