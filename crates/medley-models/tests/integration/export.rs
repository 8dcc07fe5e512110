//! ONNX models of networks, beyond what the conformance suite checks for every backbone: input, output, types, and refusals.
//! `scripts/compare/onnx` holds them against onnxruntime.

use std::collections::BTreeMap;

use medley_core::record::ChannelStatistics;
use medley_models::conformance::{self, graph::evaluate, noise, task, volume_noise};
use medley_models::onnx::{Answer, Export, Pixels, TaskExport, export, known_answers, known_image};
use medley_models::{
    BackboneConfig, BatchNormScope, BuildOptions, ModelError, MultiTaskNet, NetConfig, Segment, environment,
};
use medley_onnx::Information;
use medley_onnx::proto::ModelProto;
use tch::{Kind, Tensor};

fn net(config: &NetConfig, options: &BuildOptions) -> MultiTaskNet {
    environment::set_threads(1);
    MultiTaskNet::build(&config.validated().unwrap(), &[task("first", 3), task("second", 4)], options).unwrap()
}

fn small() -> MultiTaskNet {
    let backbone = BackboneConfig::with_width("resnet9", 4);
    net(&NetConfig { backbone, ..NetConfig::default() }, &BuildOptions::default())
}

/// Logits of all rows for one task.
fn logits(net: &MultiTaskNet, images: &Tensor, task: usize) -> Tensor {
    let segment = Segment { task, start: 0, len: images.size()[0] };
    let _guard = tch::no_grad_guard();
    net.forward(images, &[segment], false).unwrap().remove(0)
}

fn one(task: usize, answer: Answer) -> Export {
    Export { tasks: vec![TaskExport::new(task, answer)], pixels: Pixels::Normalised, ..Export::default() }
}

fn written(net: &MultiTaskNet, wanted: &Export) -> Vec<u8> {
    export(net, wanted, &Information::default()).unwrap()
}

fn difference(left: &Tensor, right: &Tensor) -> f64 {
    (left - right).abs().max().double_value(&[])
}

#[test]
fn volume_convolutions_of_all_forms_are_plain_ones() {
    for form in ["3d", "2.5d", "acs"] {
        let backbone: BackboneConfig =
            serde_json::from_value(serde_json::json!({"name": "resnet18_3d", "width": 5, "convolution": form}))
                .unwrap();
        let config = NetConfig { backbone, adapters: form == "acs", ..NetConfig::default() };
        let net = net(&config, &BuildOptions { input_size: 12, ..BuildOptions::default() });
        let volumes = volume_noise(3, 2, 3, 12).unwrap();
        let outputs = evaluate(&written(&net, &one(1, Answer::Logits)), &volumes).unwrap();
        let difference = difference(&outputs["second_logits"], &logits(&net, &volumes, 1));
        assert!(difference < 1e-4, "{form}: {difference}");
    }
}

#[test]
fn pixels_are_normalised_and_grey_is_replicated() {
    let net = small();
    let bytes = ((noise(1, 3, 1, 28).unwrap() + 1.0) * 127.5).to_kind(Kind::Uint8);
    let unit = bytes.to_kind(Kind::Float) / 255.0;
    let normal = (&unit - 0.4) / 0.2;
    let expected = logits(&net, &normal.expand([3, 3, 28, 28], false), 0).softmax(-1, Kind::Float);
    let normalisation = Some(ChannelStatistics { mean: vec![0.4], std: vec![0.2] });
    let tasks = vec![TaskExport { normalisation, ..TaskExport::new(0, Answer::Softmax) }];
    for (pixels, images) in [(Pixels::Bytes, &bytes), (Pixels::Unit, &unit), (Pixels::Normalised, &normal)] {
        let wanted = Export { tasks: tasks.clone(), pixels, channels: 1, ..Export::default() };
        let seen = evaluate(&written(&net, &wanted), images).unwrap();
        assert!(difference(&seen["first_probabilities"], &expected) < 1e-5, "{pixels:?}");
    }
    // Colours by their own.
    let rgb = ChannelStatistics { mean: vec![0.1, 0.5, 0.7], std: vec![0.2, 0.3, 0.4] };
    let wanted = Export {
        tasks: vec![TaskExport { normalisation: Some(rgb), ..TaskExport::new(1, Answer::Sigmoid) }],
        ..Export::default()
    };
    let bytes = ((noise(2, 3, 3, 28).unwrap() + 1.0) * 127.5).to_kind(Kind::Uint8);
    let column = |values: [f32; 3]| Tensor::from_slice(&values).view([3, 1, 1]);
    let normal = (bytes.to_kind(Kind::Float) / 255.0 - column([0.1, 0.5, 0.7])) / column([0.2, 0.3, 0.4]);
    let seen = evaluate(&written(&net, &wanted), &bytes).unwrap();
    assert!(difference(&seen["second_probabilities"], &logits(&net, &normal, 1).sigmoid()) < 1e-5);
}

#[test]
fn the_known_answer_is_that_of_the_graph() {
    let net = small();
    for (pixels, channels, answer) in [
        (Pixels::Bytes, 1, Answer::Softmax),
        (Pixels::Unit, 3, Answer::Sigmoid),
        (Pixels::Normalised, 3, Answer::Logits),
    ] {
        let normalisation = Some(ChannelStatistics { mean: vec![0.4], std: vec![0.2] });
        let tasks = vec![TaskExport { normalisation, ..TaskExport::new(1, answer) }, TaskExport::new(0, answer)];
        let first = tasks[..1].to_vec();
        let wanted = Export {
            tasks: if pixels == Pixels::Normalised { tasks } else { first },
            pixels,
            channels,
            ..Export::default()
        };
        // By the words of the rule, apart from the function.
        let byte = |i: i64| ((i * i / 7 + 31 * i) % 509 / 2) as f32;
        let len = channels * 28 * 28;
        let value = |i: i64| match pixels {
            Pixels::Bytes => byte(i),
            Pixels::Unit => byte(i) / 255.0,
            Pixels::Normalised => byte(i) / 64.0 - 2.0,
        };
        assert_eq!(known_image(len as usize)[7], byte(7) as u8);
        let values: Vec<f32> = (0..len).map(value).collect();
        let image = Tensor::from_slice(&values).view([1, channels, 28, 28]);
        let image = if pixels == Pixels::Bytes { image.to_kind(Kind::Uint8) } else { image };
        let seen = evaluate(&written(&net, &wanted), &image).unwrap();
        let known = known_answers(&net, &wanted).unwrap();
        assert_eq!(known.len(), wanted.tasks.len());
        for (output, known) in wanted.tasks.iter().zip(known) {
            let name = format!("{}_{}", net.task_names()[output.task], output.answer.name());
            let difference = difference(&seen[&name], &Tensor::from_slice(&known).view([1, -1]));
            assert!(difference < 1e-5, "{name} of {pixels:?}: {difference}");
        }
    }
}

#[test]
fn tasks_share_what_is_the_same_for_them() {
    let nodes = |config: &NetConfig, tasks: &[usize]| {
        let tasks = tasks.iter().map(|&task| TaskExport::new(task, Answer::Logits)).collect();
        let wanted = Export { tasks, ..one(0, Answer::Logits) };
        ModelProto::read(&written(&net(config, &BuildOptions::default()), &wanted)).unwrap().graph().node.len()
    };
    let backbone = BackboneConfig::with_width("resnet9", 4);
    let shared = NetConfig { backbone, ..NetConfig::default() };
    let alone = nodes(&shared, &[0]);
    assert_eq!(nodes(&shared, &[0, 1]), alone + 1);
    let own = NetConfig { batch_norm: BatchNormScope::PerTask, ..shared };
    assert_eq!(nodes(&own, &[1]), alone);
    assert_eq!(nodes(&own, &[0, 1]), 2 * alone);
}

#[test]
fn half_precision_is_near() {
    let (net, images) = (small(), noise(5, 4, 3, 28).unwrap());
    let full = written(&net, &one(0, Answer::Logits));
    let half = written(&net, &Export { half: true, ..one(0, Answer::Logits) });
    assert!(half.len() < full.len() * 6 / 10, "{} and {} bytes", half.len(), full.len());
    let expected = logits(&net, &images, 0);
    let difference = difference(&evaluate(&half, &images).unwrap()["first_logits"], &expected);
    assert!(difference > 0.0 && difference < 0.01 * expected.abs().max().double_value(&[]), "{difference}");
    let (_, mut parameter) = net.parameters().remove(0);
    let _ = tch::no_grad(|| parameter.fill_(1e6));
    let error = export(&net, &Export { half: true, ..one(0, Answer::Logits) }, &Information::default()).unwrap_err();
    assert!(error.to_string().contains("float16 has no finite number"), "{error}");
}

#[test]
fn the_file_says_what_it_is() {
    let net = small();
    let information = Information {
        producer: ("medley".into(), "1".into()),
        doc: "Not for clinical use.".into(),
        metadata: BTreeMap::from([("task".into(), "first".into()), ("classes".into(), "[\"0\"]".into())]),
    };
    let bytes = export(&net, &one(0, Answer::Logits), &information).unwrap();
    assert_eq!(bytes, export(&net, &one(0, Answer::Logits), &information).unwrap());
    let model = ModelProto::read(&bytes).unwrap();
    assert_eq!((model.ir_version(), model.opset_import[0].version()), (8, 17));
    assert_eq!((model.metadata("task"), model.metadata("nothing")), (Some("first"), None));
    assert_eq!(model.doc_string(), "Not for clinical use.");
    let names: Vec<&str> = model.graph().initializer.iter().map(medley_onnx::proto::TensorProto::name).collect();
    assert_eq!(
        names[..4],
        [
            "backbone.prep.conv.weight",
            "backbone.prep.conv.bias",
            "backbone.layer1.conv.weight",
            "backbone.layer1.conv.bias"
        ]
    );
    let sides = |batch| {
        let model = ModelProto::read(&written(&net, &Export { batch, ..one(0, Answer::Logits) })).unwrap();
        let kind = model.graph().input[0].r#type.clone().unwrap().tensor_type.unwrap();
        kind.shape
            .unwrap()
            .dim
            .iter()
            .map(|dim| dim.dim_param.clone().unwrap_or(dim.dim_value().to_string()))
            .collect::<Vec<_>>()
    };
    assert_eq!(sides(None), ["N", "3", "28", "28"]);
    assert_eq!(sides(Some(8)), ["8", "3", "28", "28"]);
}

#[test]
fn what_does_not_fit_is_refused() {
    let net = small();
    let error = |wanted: &Export| export(&net, wanted, &Information::default()).unwrap_err().to_string();
    assert!(error(&Export::default()).contains("at least 1"));
    assert!(error(&one(2, Answer::Logits)).contains("a task to export is 2"));
    assert!(error(&Export { channels: 2, ..one(0, Answer::Logits) }).contains("expected 1 or 3"));
    assert!(error(&Export { pixels: Pixels::Unit, ..one(0, Answer::Logits) }).contains("not given"));
    let with = |mean: &[f32], std: &[f32], channels| {
        let normalisation = Some(ChannelStatistics { mean: mean.to_vec(), std: std.to_vec() });
        let tasks = vec![TaskExport { normalisation, ..TaskExport::new(0, Answer::Logits) }];
        error(&Export { tasks, channels, ..Export::default() })
    };
    for (mean, std, channels) in [
        (&[0.5, 0.5][..], &[0.5, 0.5][..], 3),
        (&[0.5], &[0.0], 3),
        (&[f32::NAN], &[0.5], 3),
        (&[0.5; 3], &[0.5; 3], 1),
        (&[], &[], 3),
    ] {
        assert!(with(mean, std, channels).contains("the normalisation of a task is"), "{mean:?}");
    }
    let (_, mut parameter) = net.parameters().remove(0);
    let _ = tch::no_grad(|| parameter.fill_(f64::NAN));
    let refused = export(&net, &one(0, Answer::Logits), &Information::default()).unwrap_err();
    assert!(matches!(&refused, ModelError::Unsavable { name, .. } if name.starts_with("backbone.")), "{refused}");
}

#[test]
fn a_graph_that_drifts_is_seen() {
    let (net, images) = (small(), noise(5, 2, 3, 28).unwrap());
    let bytes = written(&net, &one(0, Answer::Logits));
    let mut model = ModelProto::read(&bytes).unwrap();
    let graph = model.graph.as_mut().unwrap();
    let pool = graph.node.iter_mut().find(|node| node.op_type() == "MaxPool").unwrap();
    pool.attribute[1].ints = vec![1, 1];
    let error = evaluate(&prost::Message::encode_to_vec(&model), &images).unwrap_err();
    assert!(error.starts_with("MaxPool `MaxPool_0`: "), "{error}");
    assert!(evaluate(&bytes[..100], &images).is_err());
    assert!(conformance::check_backbone(&BackboneConfig::named("nothing")).is_err());
}
