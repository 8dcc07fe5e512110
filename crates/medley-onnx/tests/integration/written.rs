use std::collections::BTreeMap;

use medley_onnx::proto::ModelProto;
use medley_onnx::{Constant, DataType, Dim, GraphBuilder, IR_VERSION, Information, OPSET, Value, Window};
use proptest::prelude::*;
use prost::Message as _;

/// One step of a graph over images `[N, C, S, S]`.
#[derive(Debug, Clone)]
enum Step {
    Relu,
    Gelu,
    Convolution { outputs: usize, kernel: usize, stride: usize },
    Norm,
    Pool,
    Twice,
    Channels,
    Resize(usize),
    ThereAndBack,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        Just(Step::Relu),
        Just(Step::Gelu),
        (1_usize..4, prop_oneof![Just(1_usize), Just(3)], 1_usize..3)
            .prop_map(|(outputs, kernel, stride)| Step::Convolution { outputs, kernel, stride }),
        Just(Step::Norm),
        Just(Step::Pool),
        Just(Step::Twice),
        Just(Step::Channels),
        (1_usize..20).prop_map(Step::Resize),
        Just(Step::ThereAndBack),
    ]
}

fn side(value: &Value, axis: usize) -> usize {
    match value.shape()[axis] {
        Dim::Fixed(side) => side,
        Dim::Batch => 0,
    }
}

fn numbers(dtype: DataType, shape: &[usize]) -> Constant {
    let count = shape.iter().product::<usize>();
    let values: Vec<f32> = (0..count).map(|index| index as f32 / 8.0 - 1.0).collect();
    Constant::float(dtype, shape, &values).unwrap()
}

fn grow(graph: &mut GraphBuilder, x: &Value, step: &Step, number: usize) -> Value {
    let channels = side(x, 1);
    let name = |part: &str| format!("{part}{number}");
    match *step {
        Step::Relu => graph.relu(x),
        Step::Gelu => graph.erf(x).and_then(|y| graph.mul(x, &y)),
        Step::Convolution { outputs, kernel, stride } => {
            let weight = graph.constant(&name("w"), numbers(x.dtype(), &[outputs, channels, kernel, kernel])).unwrap();
            let pad = kernel / 2;
            graph.conv(x, &weight, None, &[stride, stride], &[pad, pad], 1)
        }
        Step::Norm => {
            let parameters =
                ["s", "b", "m", "v"].map(|part| graph.constant(&name(part), numbers(x.dtype(), &[channels])).unwrap());
            graph.batch_normalization(x, parameters.each_ref(), 1e-5)
        }
        Step::Pool if side(x, 2) >= 2 => graph.max_pool(x, &Window::cube(2, 2, 2, 0)),
        Step::Pool => graph.average_pool(x, &Window::cube(2, 1, 1, 0)),
        Step::Twice => graph.concat(&[x, x], 1),
        Step::Channels => graph.global_average_pool(x).and_then(|mean| graph.mul(x, &mean)),
        Step::Resize(side) => graph.resize(x, &[side, side + 1]),
        Step::ThereAndBack => graph.transpose(x, &[0, 2, 3, 1]).and_then(|y| graph.transpose(&y, &[0, 3, 1, 2])),
    }
    .unwrap()
}

fn build(steps: &[Step], half: bool, batch: Option<usize>, information: &Information) -> (ModelProto, Vec<u8>) {
    let make = || {
        let mut graph = GraphBuilder::new("g");
        let batch = batch.map_or(Dim::Batch, Dim::Fixed);
        let shape = [batch, Dim::Fixed(2), Dim::Fixed(9), Dim::Fixed(9)];
        let bytes = graph.input("images", DataType::Uint8, &shape, "0 to 255").unwrap();
        let mut x = graph.cast(&bytes, if half { DataType::Float16 } else { DataType::Float }).unwrap();
        for (number, step) in steps.iter().enumerate() {
            x = grow(&mut graph, &x, step, number);
        }
        let x = graph.global_max_pool(&x).and_then(|x| graph.flatten(&x)).unwrap();
        let y = graph.softmax(&x).unwrap();
        graph.output(&x, "logits", "").unwrap();
        graph.output(&y, "probabilities", "of classes").unwrap();
        graph
    };
    (make().into_model(information).unwrap(), make().into_bytes(information).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_read_back(
        steps in prop::collection::vec(step(), 0..8),
        half: bool,
        batch in prop::option::of(1_usize..9),
        doc in ".{0,20}",
        metadata in prop::collection::btree_map("[a-z]{1,8}", ".{0,20}", 0..4),
    ) {
        let information = Information { producer: ("medley".into(), "1".into()), doc, metadata };
        let (model, bytes) = build(&steps, half, batch, &information);
        prop_assert_eq!(&ModelProto::read(&bytes).unwrap(), &model);
        prop_assert_eq!(&build(&steps, half, batch, &information).1, &bytes, "the same calls give the same bytes");
        prop_assert_eq!((model.ir_version(), model.opset_import[0].version()), (IR_VERSION, OPSET));
        for (key, value) in &information.metadata {
            prop_assert_eq!(model.metadata(key), Some(value.as_str()));
        }
        is_in_order(&model)?;
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes: Vec<u8>, at in 0_usize..4096, bit in 0_u8..8) {
        let _ = ModelProto::read(&bytes);
        let mut file = build(&[Step::Norm], false, None, &Information::default()).1;
        let at = at % file.len();
        file[at] ^= 1 << bit;
        let _ = ModelProto::read(&file);
        file.truncate(at);
        let _ = ModelProto::read(&file);
    }
}

/// Every name is given once, before it is used, and every value is described.
fn is_in_order(model: &ModelProto) -> Result<(), TestCaseError> {
    let graph = model.graph();
    let mut known: Vec<&str> = graph.initializer.iter().map(medley_onnx::proto::TensorProto::name).collect();
    known.extend(graph.input.iter().map(medley_onnx::proto::ValueInfoProto::name));
    for node in &graph.node {
        for input in node.input.iter().filter(|input| !input.is_empty()) {
            prop_assert!(known.contains(&input.as_str()), "{} before it is there", input);
        }
        let output = node.output[0].as_str();
        prop_assert!(!known.contains(&output), "{} twice", output);
        known.push(output);
        let infos = graph.value_info.iter().chain(&graph.output).filter(|info| info.name() == output);
        prop_assert_eq!(infos.count(), 1, "{} is described once", output);
    }
    prop_assert!(graph.output.iter().all(|output| known.contains(&output.name())));
    Ok(())
}

#[test]
fn the_same_step_is_written_once() {
    let mut graph = GraphBuilder::new("g");
    let x = graph.input("x", DataType::Float, &[Dim::Batch, Dim::Fixed(3)], "").unwrap();
    let two = || Constant::f32(&[1], &[2.0]).unwrap();
    let first = graph.constant("two", two()).unwrap();
    let second = graph.constant("two", two()).unwrap();
    let one = graph.mul(&x, &first).unwrap();
    assert_eq!(one, graph.mul(&x, &second).unwrap());
    assert_ne!(one, graph.mul(&first, &x).unwrap());
    // A value may be two outputs, and an input may be one.
    graph.output(&one, "a", "").unwrap();
    graph.output(&one, "b", "").unwrap();
    graph.output(&x, "c", "").unwrap();
    let model = graph.into_model(&Information::default()).unwrap();
    let nodes: Vec<(&str, &str, &str)> = model
        .graph()
        .node
        .iter()
        .map(|node| (node.op_type(), node.input[0].as_str(), node.output[0].as_str()))
        .collect();
    assert_eq!(
        nodes,
        [("Mul", "x", "a"), ("Mul", "two", "Mul_1_output"), ("Identity", "a", "b"), ("Identity", "x", "c")]
    );
}

#[test]
fn the_bytes_are_those_of_the_format() {
    let mut graph = GraphBuilder::new("g");
    let x = graph.input("x", DataType::Float, &[Dim::Batch], "").unwrap();
    let y = graph.relu(&x).unwrap();
    graph.output(&y, "y", "").unwrap();
    let bytes = graph
        .into_bytes(&Information { metadata: BTreeMap::from([("k".into(), "v".into())]), ..Information::default() });
    // Field numbers and wire types by hand from onnx.proto; `onnx.checker` reads the same in scripts/compare/onnx.
    let value = |name: u8| [&[0x0a, 1, name, 0x12, 11, 0x0a, 9, 8, 1, 0x12, 5, 0x0a, 3, 0x12, 1, b'N'][..]].concat();
    let node = [&[0x0a, 1, b'x', 0x12, 1, b'y', 0x1a, 6][..], b"Relu_0", &[0x22, 4], b"Relu"].concat();
    let mut graph = vec![0x0a, node.len() as u8];
    graph.extend(&node);
    graph.extend([0x12, 1, b'g', 0x5a, 16]);
    graph.extend(value(b'x'));
    graph.extend([0x62, 16]);
    graph.extend(value(b'y'));
    let mut expected = vec![0x08, 8, 0x3a, graph.len() as u8];
    expected.extend(&graph);
    expected.extend([0x42, 4, 0x0a, 0, 0x10, 17, 0x72, 6, 0x0a, 1, b'k', 0x12, 1, b'v']);
    assert_eq!(bytes.unwrap(), expected);
    assert_eq!(ModelProto::read(&expected).unwrap().encode_to_vec(), expected);
}
