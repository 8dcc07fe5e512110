use medley_onnx::proto::ModelProto;
use medley_onnx::{Constant, DataType, Dim, GraphBuilder, Information, OnnxError, Value, Window};

const B: Dim = Dim::Batch;

fn f(side: usize) -> Dim {
    Dim::Fixed(side)
}

/// A graph, images `[N, 4, 6, 6]` and rows `[N, 4]`.
fn graph() -> (GraphBuilder, Value, Value) {
    let mut graph = GraphBuilder::new("g");
    let images = graph.input("images", DataType::Float, &[B, f(4), f(6), f(6)], "").unwrap();
    let rows = graph.input("rows", DataType::Float, &[B, f(4)], "").unwrap();
    (graph, images, rows)
}

fn zeros(graph: &mut GraphBuilder, shape: &[usize]) -> Value {
    let name = format!("zeros{shape:?}");
    let values = vec![0.0; shape.iter().product()];
    graph.constant(&name, Constant::f32(shape, &values).unwrap()).unwrap()
}

#[test]
fn names_are_given_once() {
    let (mut graph, images, _) = graph();
    let other = Constant::f32(&[1], &[1.0]).unwrap();
    assert!(matches!(graph.input("images", DataType::Float, &[B], ""), Err(OnnxError::NameTaken { .. })));
    assert!(matches!(graph.constant("images", other.clone()), Err(OnnxError::NameTaken { .. })));
    graph.constant("c", other).unwrap();
    assert!(matches!(graph.constant("c", Constant::f32(&[1], &[2.0]).unwrap()), Err(OnnxError::NameTaken { .. })));
    assert!(matches!(graph.output(&images, "c", ""), Err(OnnxError::NameTaken { .. })));
    assert!(matches!(graph.output(&images, "", ""), Err(OnnxError::Unnamed)));
}

#[test]
fn values_belong_to_their_graph() {
    let (mut first, images, _) = graph();
    let mut second = GraphBuilder::new("other");
    second.input("images", DataType::Float, &[B, f(5)], "").unwrap();
    assert!(matches!(second.relu(&images), Err(OnnxError::Foreign { .. })));
    let y = first.relu(&images).unwrap();
    assert!(matches!(second.output(&y, "y", ""), Err(OnnxError::Foreign { .. })));
    assert!(matches!(second.into_bytes(&Information::default()), Err(OnnxError::NoOutput)));
}

#[test]
fn shapes_that_do_not_go_together_are_refused() {
    let (mut g, images, rows) = graph();
    let problem = |result: Result<Value, OnnxError>| match result {
        Err(OnnxError::Operator { operator, .. }) => operator,
        other => panic!("{other:?}"),
    };
    let kernel = zeros(&mut g, &[2, 4, 3, 3]);
    let large = zeros(&mut g, &[2, 4, 9, 9]);
    let (four, two) = (zeros(&mut g, &[4]), zeros(&mut g, &[2]));
    assert_eq!(problem(g.conv(&rows, &kernel, None, &[1, 1], &[0, 0], 1)), "Conv");
    assert_eq!(problem(g.conv(&images, &large, None, &[1, 1], &[1, 1], 1)), "Conv");
    assert_eq!(problem(g.conv(&images, &kernel, None, &[1], &[0], 1)), "Conv");
    assert_eq!(problem(g.conv(&images, &kernel, None, &[0, 1], &[0, 0], 1)), "Conv");
    assert_eq!(problem(g.conv(&images, &kernel, None, &[1, 1], &[0, 0], 2)), "Conv");
    assert_eq!(problem(g.conv(&images, &kernel, Some(&four), &[1, 1], &[0, 0], 1)), "Conv");
    assert!(g.conv(&images, &kernel, Some(&two), &[1, 1], &[0, 0], 1).is_ok());
    assert_eq!(problem(g.max_pool(&images, &Window::cube(2, 7, 1, 0))), "MaxPool");
    assert_eq!(problem(g.average_pool(&images, &Window::cube(3, 2, 1, 0))), "AveragePool");
    assert_eq!(problem(g.global_max_pool(&rows)), "GlobalMaxPool");
    assert_eq!(problem(g.batch_normalization(&images, [&four, &four, &two, &four], 1e-5)), "BatchNormalization");
    assert_eq!(problem(g.layer_normalization(&images, &four, &four, 1e-6)), "LayerNormalization");
    let weight = zeros(&mut g, &[3, 4]);
    assert_eq!(problem(g.gemm(&rows, &weight, &four)), "Gemm");
    assert_eq!(problem(g.matmul(&rows, &weight)), "MatMul");
    assert_eq!(problem(g.add(&images, &weight)), "Add");
    assert_eq!(problem(g.transpose(&images, &[0, 1, 2])), "Transpose");
    assert_eq!(problem(g.transpose(&images, &[0, 1, 2, 2])), "Transpose");
    assert_eq!(problem(g.reshape(&images, &[None, Some(3)])), "Reshape");
    assert_eq!(problem(g.reshape(&images, &[Some(144), None])), "Reshape");
    assert_eq!(problem(g.concat(&[&images, &rows], 1)), "Concat");
    assert_eq!(problem(g.concat(&[&rows, &rows], 0)), "Concat");
    assert_eq!(problem(g.concat(&[], 0)), "Concat");
    assert_eq!(problem(g.select(&images, 1, 4)), "Gather");
    assert_eq!(problem(g.select(&images, 0, 0)), "Gather");
    assert_eq!(problem(g.resize(&images, &[3])), "Resize");
    assert_eq!(problem(g.resize(&images, &[3, 0])), "Resize");
    assert_eq!(problem(g.expand(&images, &[5, 1, 1])), "Expand");
    assert_eq!(problem(g.pad_before(&images, 0, 1)), "Pad");
    assert_eq!(problem(g.pad_before(&rows, 2, 1)), "Pad");
    let half = g.cast(&rows, DataType::Float16).unwrap();
    assert_eq!(problem(g.add(&rows, &half)), "Add");
    let bytes = g.input("bytes", DataType::Uint8, &[B, f(4)], "").unwrap();
    assert_eq!(problem(g.relu(&bytes)), "Relu");
    assert!(matches!(g.input("none", DataType::Float, &[B, f(0)], ""), Err(OnnxError::Operator { .. })));
}

#[test]
fn what_is_no_model_is_refused() {
    for bytes in [&b""[..], b"text", &[0x08, 8], &[0x3a, 0xff, 0xff]] {
        assert!(matches!(ModelProto::read(bytes), Err(OnnxError::Damaged { .. })), "{bytes:?}");
    }
}
