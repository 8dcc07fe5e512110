use super::*;

/// Grey images of two by two pixels, two classes.
fn signature() -> Signature {
    use crate::protocol::signature::InputSignature;
    Signature {
        input: InputSignature { shape: vec![2, 2, 1] },
        classes: vec!["a".into(), "b".into()],
        outputs: vec![Output::Probabilities, Output::Class, Output::Label, Output::Entropy, Output::Warning],
    }
}

fn read(json: &str) -> Result<InferRequest, RequestError> {
    parse(&Bytes::copy_from_slice(json.as_bytes()), None, &signature())
}

fn refused(json: &str) -> String {
    read(json).unwrap_err().to_string()
}

fn with_bytes(json: &str, bytes: &[u8]) -> Result<InferRequest, RequestError> {
    let body = [json.as_bytes(), bytes].concat();
    parse(&body.into(), Some(json.len()), &signature())
}

/// A request with an input of these parts.
fn input(shape: &str, datatype: &str, rest: &str) -> String {
    format!(r#"{{"inputs": [{{"name": "images", "shape": {shape}, "datatype": "{datatype}"{rest}}}]}}"#)
}

const TWO: &str = "[2, 2, 2, 1]";

#[test]
fn json_tensors_are_read_flat_and_nested() {
    let flat = read(&input(TWO, "UINT8", r#", "data": [1, 2, 3, 4, 5, 6, 7, 8]"#)).unwrap();
    assert_eq!((&flat.images[..], flat.count), (&[1, 2, 3, 4, 5, 6, 7, 8][..], 2));
    let nested = r#", "data": [[[[1], [2]], [[3], [4]]], [[[5], [6]], [[7], [8]]]]"#;
    assert_eq!(read(&input(TWO, "UINT8", nested)).unwrap(), flat);
    let names: Vec<_> = flat.outputs.iter().map(|wanted| wanted.output.name()).collect();
    assert_eq!(names, ["probabilities", "class", "label", "entropy", "warning"]);
    assert!(flat.outputs.iter().all(|wanted| !wanted.binary && wanted.top.is_none()));
}

#[test]
fn bytes_behind_the_json_are_read() {
    let json = input("[1, 2, 2, 1]", "UINT8", r#", "parameters": {"binary_data_size": 4}"#);
    let read = with_bytes(&json, &[9, 8, 7, 6]).unwrap();
    assert_eq!((&read.images[..], read.count), (&[9, 8, 7, 6][..], 1));
    let json = json.replacen('{', r#"{"parameters": {"binary_data_output": true}, "id": "x","#, 1);
    let read = with_bytes(&json, &[9, 8, 7, 6]).unwrap();
    assert!(read.outputs.iter().all(|wanted| wanted.binary));
    assert_eq!(read.id.as_deref(), Some("x"));
}

#[test]
fn bytes_alone_are_as_many_images_as_they_are() {
    let read = parse(&Bytes::from_static(&[1, 2, 3, 4, 5, 6, 7, 8]), Some(0), &signature()).unwrap();
    assert_eq!((read.count, read.outputs.len()), (2, 5));
    for bytes in [&[][..], &[1, 2, 3], &[1, 2, 3, 4, 5]] {
        let error = parse(&Bytes::copy_from_slice(bytes), Some(0), &signature()).unwrap_err().to_string();
        assert!(error.contains("values"), "{error}");
    }
}

#[test]
fn what_does_not_fit_is_named() {
    let data = r#", "data": [1, 2, 3, 4]"#;
    let one = "[1, 2, 2, 1]";
    for (json, words) in [
        (String::new(), "not a request of the Open Inference Protocol"),
        ("[]".into(), "not a request"),
        ("{}".into(), "inputs"),
        (r#"{"inputs": []}"#.into(), "0 tensors; the model takes one, `images`"),
        (input(one, "UINT8", data).replace("images", "image"), "called \"image\"; the model takes `images`"),
        (input(one, "FP32", data), "`images` is FP32; the model takes UINT8"),
        (input("[1, 2, 2]", "UINT8", data), "has the shape [1, 2, 2]; the model takes [n, 2, 2, 1]"),
        (input("[0, 2, 2, 1]", "UINT8", data), "n at least 1"),
        (input("[-1, 2, 2, 1]", "UINT8", data), "has the shape [-1, 2, 2, 1]"),
        (input("[]", "UINT8", data), "has the shape []"),
        (input("[2, 2, 2, 1]", "UINT8", data), "has 4 values; the shape [2, 2, 2, 1] needs 8"),
        (input("[9223372036854775807, 2, 2, 1]", "UINT8", data), "has 4 values"),
        (input(one, "UINT8", r#", "data": [[1, 2], [3, 4]]"#), "not nested as the shape"),
        (input(one, "UINT8", r#", "data": [1, 2, 3, 256]"#), "value 3 of `images` is 256"),
        (input(one, "UINT8", r#", "data": [1, -2, 3, 4]"#), "value 1 of `images` is -2"),
        (input(one, "UINT8", r#", "data": [1, 2, 3.0, 4]"#), "value 2 of `images` is 3.0; UINT8 are whole numbers"),
        (input(one, "UINT8", ""), "neither `data` nor the parameter `binary_data_size`"),
        (input(one, "UINT8", r#", "parameters": {"binary_data_size": 4}"#), "4, but 0 bytes follow"),
        (input(one, "UINT8", r#", "parameters": {"binary_data_size": -4}"#), "must be a whole number"),
        (input(one, "UINT8", r#", "parameters": {"binary_data_size": "4"}"#), "is \"4\"; it must be"),
        (input(one, "UINT8", r#", "data": [1, 2, 3, 4], "parameters": {"binary_data_size": 4}"#), "has both"),
        (input(one, "UINT8", r#", "parameters": {"shared_memory_region": "x"}"#), "shared memory is not supported"),
    ] {
        let error = refused(&json);
        assert!(error.contains(words), "{json}: {error}");
    }
    assert!(matches!(with_bytes(&input(one, "UINT8", data), &[1]), Err(RequestError::BinarySize { .. })));
    assert!(matches!(parse(&Bytes::new(), Some(1), &signature()), Err(RequestError::HeaderLength { .. })));
    let long = "x".repeat(1000);
    assert!(refused(&input(one, "UINT8", data).replace("images", &long)).len() < 200);
}

#[test]
fn wanted_outputs_are_read() {
    let asking = |outputs: &str| {
        let json = input("[1, 2, 2, 1]", "UINT8", r#", "data": [1, 2, 3, 4]"#);
        read(&json.replacen('{', &format!(r#"{{"outputs": {outputs},"#), 1))
    };
    let read =
        asking(r#"[{"name": "class"}, {"name": "probabilities", "parameters": {"binary_data": true}}]"#).unwrap();
    let wanted = |output, binary| Wanted { output, binary, top: None };
    assert_eq!(read.outputs, [wanted(Output::Class, false), wanted(Output::Probabilities, true)]);
    let read = asking(r#"[{"name": "probabilities", "parameters": {"classification": 2}}]"#).unwrap();
    assert_eq!(read.outputs[0].top, Some(2));
    assert_eq!(asking("[]").unwrap().outputs.len(), 5);
    for (outputs, words) in [
        (r#"[{"name": "logits"}]"#, "the output \"logits\" is not one of the model; it gives `probabilities`"),
        (r#"[{"name": "class"}, {"name": "class"}]"#, "asked for twice"),
        (r#"[{"name": "label", "parameters": {"classification": 2}}]"#, "`classification` is for"),
        (r#"[{"name": "label", "parameters": {"binary_data": 1}}]"#, "`binary_data` is 1; it must be true or false"),
    ] {
        let error = asking(outputs).unwrap_err().to_string();
        assert!(error.contains(words), "{outputs}: {error}");
    }
}
