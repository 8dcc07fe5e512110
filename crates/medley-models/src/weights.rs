//! Weights files: safetensors, read strictly.
//!
//! PyTorch's and tch's loaders broadcast, cast, ignore and rename in silence. Here a file either holds exactly the tensors of
//! the network, with their shapes and dtypes, or nothing is changed and the error lists every difference.
//!
//! The same tensors and metadata give the same bytes: names are sorted, and so are the keys of the metadata (the `safetensors`
//! crate writes those in the order of a hash map, so the header is written here). Writing to disk is the caller's:
//! `medley_storage::write_whole`.
//!
//! ```no_run
//! use std::collections::BTreeMap;
//! use medley_models::weights;
//! # fn example(net: &medley_models::MultiTaskNet) -> Result<(), medley_models::ModelError> {
//! let state: Vec<_> = net.parameters().into_iter().chain(net.buffers()).collect();
//! let bytes = weights::to_bytes(&state, &BTreeMap::from([("epoch".into(), "10".into())]))?;
//! let metadata = weights::load_into(&bytes, &state)?;
//! # Ok(())
//! # }
//! ```

use std::collections::BTreeMap;

use safetensors::{Dtype, SafeTensors};
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::json;
use tch::{Device, Kind, Tensor};

use crate::ModelError;

/// Tensors by name.
pub type NamedTensors = Vec<(String, Tensor)>;

/// Text by key, kept in a file beside its tensors.
pub type Metadata = BTreeMap<String, String>;

/// The key of the header that holds text rather than a tensor.
const METADATA_KEY: &str = "__metadata__";

/// The bytes of a file with these tensors, in row-major order whatever their strides, and this metadata.
///
/// # Errors
/// [`ModelError::Unsavable`] for a dtype that safetensors lacks or a reserved name, [`ModelError::DuplicateName`],
/// [`ModelError::Torch`].
pub fn to_bytes(tensors: &[(String, Tensor)], metadata: &Metadata) -> Result<Vec<u8>, ModelError> {
    let mut sorted = BTreeMap::new();
    for (name, tensor) in tensors {
        if name == METADATA_KEY {
            return Err(ModelError::Unsavable { name: name.clone(), problem: "the name is reserved".into() });
        }
        let dtype = tensor.f_kind().ok().and_then(dtype_of).ok_or_else(|| {
            let problem = format!("safetensors has no dtype for {:?}", tensor.f_kind());
            ModelError::Unsavable { name: name.clone(), problem }
        })?;
        // Larger alignments first, as the format asks, then by name.
        let order = (std::cmp::Reverse(dtype.bitsize()), name.as_str());
        if sorted.insert(order, (dtype, tensor)).is_some() {
            return Err(ModelError::DuplicateName { name: name.clone() });
        }
    }
    let mut entries = Vec::with_capacity(sorted.len());
    let mut end = 0;
    for ((_, name), (dtype, tensor)) in &sorted {
        let start = end;
        end += tensor.numel() * dtype.bitsize() / 8;
        entries.push((*name, json!({"dtype": dtype, "shape": tensor.size(), "data_offsets": [start, end]})));
    }
    let mut header = serde_json::to_vec(&Header { metadata, entries: &entries })
        .map_err(|error| ModelError::WeightsFile { problem: error.to_string() })?;
    header.resize(header.len().next_multiple_of(8), b' ');

    let mut bytes = Vec::with_capacity(8 + header.len() + end);
    bytes.extend_from_slice(&(header.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&header);
    for (_, tensor) in sorted.values() {
        let start = bytes.len();
        let tensor = tensor.f_detach()?.f_to_device(Device::Cpu)?.f_contiguous()?;
        let element = tensor.f_kind()?.elt_size_in_bytes();
        bytes.resize(start + tensor.numel() * element, 0);
        tensor.f_copy_data_u8(&mut bytes[start..], tensor.numel())?;
    }
    Ok(bytes)
}

/// Copies a file's tensors into the targets, keeping their memory layout and device, and returns its metadata.
///
/// # Errors
/// [`ModelError::Misfit`] listing what is missing, unexpected, of another shape or dtype; [`ModelError::WeightsFile`];
/// [`ModelError::DuplicateName`] if two targets share a name. No target was changed then.
pub fn load_into(bytes: &[u8], targets: &[(String, Tensor)]) -> Result<Metadata, ModelError> {
    let file = parse(bytes)?;
    let mut wanted: BTreeMap<&str, &Tensor> = BTreeMap::new();
    for (name, target) in targets {
        if wanted.insert(name, target).is_some() {
            return Err(ModelError::DuplicateName { name: name.clone() });
        }
    }
    compare(&file.tensors, &wanted)?;
    // Everything is read and on its device before the first target changes.
    let sources = wanted
        .iter()
        .map(|(name, target)| Ok((read_tensor(name, &file.tensors[*name])?.f_to_device(target.device())?, *target)))
        .collect::<Result<Vec<_>, ModelError>>()?;
    let _guard = tch::no_grad_guard();
    for (source, target) in sources {
        target.shallow_clone().f_copy_(&source)?;
    }
    Ok(file.metadata)
}

/// Compares a file with the targets, as [`load_into`] does, and changes nothing. Targets may be those of an outline, which take no memory.
///
/// # Errors
/// [`ModelError::Misfit`], [`ModelError::WeightsFile`].
pub fn check(bytes: &[u8], targets: &[(String, Tensor)]) -> Result<(), ModelError> {
    let file = parse(bytes)?;
    compare(&file.tensors, &targets.iter().map(|(name, target)| (name.as_str(), target)).collect())
}

/// All tensors of a file, on the CPU, sorted by name, and its metadata.
///
/// # Errors
/// [`ModelError::WeightsFile`], [`ModelError::Torch`].
pub fn read(bytes: &[u8]) -> Result<(NamedTensors, Metadata), ModelError> {
    let file = parse(bytes)?;
    let tensors = file
        .tensors
        .iter()
        .map(|(name, view)| Ok((name.clone(), read_tensor(name, view)?)))
        .collect::<Result<_, ModelError>>()?;
    Ok((tensors, file.metadata))
}

struct File<'a> {
    tensors: BTreeMap<String, safetensors::tensor::TensorView<'a>>,
    metadata: Metadata,
}

fn parse(bytes: &[u8]) -> Result<File<'_>, ModelError> {
    let damaged = |error: safetensors::SafeTensorError| ModelError::WeightsFile { problem: error.to_string() };
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
    let metadata = header.metadata().iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect();
    let tensors = SafeTensors::deserialize(bytes).map_err(damaged)?.tensors().into_iter().collect();
    Ok(File { tensors, metadata })
}

fn compare(
    found: &BTreeMap<String, safetensors::tensor::TensorView<'_>>,
    wanted: &BTreeMap<&str, &Tensor>,
) -> Result<(), ModelError> {
    let missing: Vec<_> = wanted.keys().filter(|name| !found.contains_key(**name)).map(ToString::to_string).collect();
    let unexpected: Vec<_> = found.keys().filter(|name| !wanted.contains_key(name.as_str())).cloned().collect();
    let (mut wrong_shape, mut wrong_dtype) = (Vec::new(), Vec::new());
    for (name, target) in wanted {
        let Some(view) = found.get(*name) else { continue };
        let same = view.shape().iter().map(|&side| i64::try_from(side).ok()).eq(target.size().into_iter().map(Some));
        if !same {
            wrong_shape.push(format!("{name}: file {:?}, network {:?}", view.shape(), target.size()));
        }
        let dtype = target.f_kind().ok().and_then(dtype_of);
        if dtype != Some(view.dtype()) {
            let network = dtype.map_or_else(|| "none".into(), |dtype| dtype.to_string());
            wrong_dtype.push(format!("{name}: file {}, network {network}", view.dtype()));
        }
    }
    if missing.is_empty() && unexpected.is_empty() && wrong_shape.is_empty() && wrong_dtype.is_empty() {
        return Ok(());
    }
    Err(ModelError::Misfit { missing, unexpected, wrong_shape, wrong_dtype })
}

fn read_tensor(name: &str, view: &safetensors::tensor::TensorView<'_>) -> Result<Tensor, ModelError> {
    let damaged = |problem: String| ModelError::WeightsFile { problem: format!("tensor `{name}` {problem}") };
    let kind =
        kind_of(view.dtype()).ok_or_else(|| damaged(format!("has dtype {}, which is not read", view.dtype())))?;
    // An empty tensor may state any other sides; libtorch multiplies them to strides.
    view.shape()
        .iter()
        .try_fold(1_i64, |product, &side| product.checked_mul(i64::try_from(side).ok()?.max(1)))
        .ok_or_else(|| damaged(format!("has the impossible shape {:?}", view.shape())))?;
    let shape: Vec<i64> = view.shape().iter().map(|&side| side as i64).collect();
    Ok(Tensor::f_from_data_size(view.data(), &shape, kind)?)
}

struct Header<'a> {
    metadata: &'a Metadata,
    entries: &'a [(&'a str, serde_json::Value)],
}

impl Serialize for Header<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if !self.metadata.is_empty() {
            map.serialize_entry(METADATA_KEY, self.metadata)?;
        }
        for (name, entry) in self.entries {
            map.serialize_entry(name, entry)?;
        }
        map.end()
    }
}

const DTYPES: [(Kind, Dtype); 9] = [
    (Kind::Float, Dtype::F32),
    (Kind::Double, Dtype::F64),
    (Kind::Half, Dtype::F16),
    (Kind::BFloat16, Dtype::BF16),
    (Kind::Int64, Dtype::I64),
    (Kind::Int, Dtype::I32),
    (Kind::Int8, Dtype::I8),
    (Kind::Uint8, Dtype::U8),
    (Kind::Bool, Dtype::BOOL),
];

fn dtype_of(kind: Kind) -> Option<Dtype> {
    DTYPES.iter().find(|pair| pair.0 == kind).map(|pair| pair.1)
}

fn kind_of(dtype: Dtype) -> Option<Kind> {
    DTYPES.iter().find(|pair| pair.1 == dtype).map(|pair| pair.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn named(name: &str, tensor: Tensor) -> (String, Tensor) {
        (name.to_owned(), tensor)
    }

    fn sample() -> Vec<(String, Tensor)> {
        let weight = Tensor::arange(24, (Kind::Float, Device::Cpu)).view([2, 3, 2, 2]);
        let last = weight.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2]);
        vec![
            named("z", Tensor::from_slice(&[1.5_f64, -2.0])),
            named("conv.weight", last),
            named("count", Tensor::from_slice(&[3_i64])),
            named("half", Tensor::from_slice(&[1.0_f32, 2.0]).to_kind(Kind::BFloat16)),
            named("empty", Tensor::zeros([0, 4], (Kind::Float, Device::Cpu))),
        ]
    }

    #[test]
    fn bytes_are_a_function_of_the_content() {
        let metadata: Metadata = (0..20).map(|key| (format!("key{key}"), "value".into())).collect();
        let mut tensors = sample();
        let bytes = to_bytes(&tensors, &metadata).unwrap();
        tensors.reverse();
        assert_eq!(to_bytes(&tensors, &metadata).unwrap(), bytes);
        let (read_back, read_metadata) = read(&bytes).unwrap();
        assert_eq!(read_metadata, metadata);
        assert_eq!(to_bytes(&read_back, &metadata).unwrap(), bytes);
        let names: Vec<_> = read_back.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["conv.weight", "count", "empty", "half", "z"]);
        assert_eq!(read_back[0].1.double_value(&[1, 2, 1, 0]), 22.0);
    }

    #[test]
    fn loading_keeps_strides_and_says_all_that_differs() {
        let bytes = to_bytes(&sample(), &BTreeMap::new()).unwrap();
        let targets: Vec<_> = sample().into_iter().map(|(name, tensor)| (name, tensor.zeros_like())).collect();
        load_into(&bytes, &targets).unwrap();
        assert_eq!(targets[1].1.stride(), sample()[1].1.stride());
        assert!(targets[1].1.equal(&sample()[1].1));

        let targets = vec![
            named("z", Tensor::from_slice(&[7.0_f32, 7.0])),
            named("conv.weight", Tensor::zeros([1, 3, 2, 2], (Kind::Float, Device::Cpu))),
            named("half", Tensor::from_slice(&[7.0_f32, 7.0]).to_kind(Kind::BFloat16)),
            named("new", Tensor::from_slice(&[7.0_f32])),
        ];
        match load_into(&bytes, &targets).unwrap_err() {
            ModelError::Misfit { missing, unexpected, wrong_shape, wrong_dtype } => {
                assert_eq!(missing, ["new"]);
                assert_eq!(unexpected, ["count", "empty"]);
                assert_eq!(wrong_shape, ["conv.weight: file [2, 3, 2, 2], network [1, 3, 2, 2]"]);
                assert_eq!(wrong_dtype, ["z: file F64, network F32"]);
            }
            other => panic!("{other}"),
        }
        assert_eq!(targets[2].1.double_value(&[0]), 7.0);
    }

    #[test]
    fn duplicates_and_reserved_names_are_refused() {
        let one = || Tensor::from_slice(&[1.0_f32]);
        let twice = [named("a", one()), named("a", one())];
        assert!(matches!(to_bytes(&twice, &BTreeMap::new()), Err(ModelError::DuplicateName { .. })));
        let bytes = to_bytes(&twice[..1], &BTreeMap::new()).unwrap();
        assert!(matches!(load_into(&bytes, &twice), Err(ModelError::DuplicateName { .. })));
        let reserved = [named(METADATA_KEY, one())];
        assert!(matches!(to_bytes(&reserved, &BTreeMap::new()), Err(ModelError::Unsavable { .. })));
    }

    proptest! {
        #[test]
        fn damaged_files_are_errors(at in 0_usize..400, bit in 0_u8..8, cut in 0_usize..600) {
            let mut bytes = to_bytes(&sample(), &BTreeMap::from([("k".into(), "v".into())])).unwrap();
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            // Either the change is harmless to the format (data, a name, the metadata), or it is an error; never a panic.
            let _ = read(&bytes);
            let _ = load_into(&bytes, &sample());
            bytes.truncate(cut.min(bytes.len() - 1));
            prop_assert!(read(&bytes).is_err());
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>, header in "[ -~]{0,200}") {
            let _ = read(&bytes);
            let mut file = (header.len() as u64).to_le_bytes().to_vec();
            file.extend_from_slice(header.as_bytes());
            let _ = read(&file);
        }
    }

    #[test]
    fn impossible_shapes_are_refused() {
        let header =
            r#"{"a":{"dtype":"F32","shape":[0,9223372036854775807,9223372036854775807],"data_offsets":[0,0]}}"#;
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend_from_slice(header.as_bytes());
        assert!(matches!(read(&file), Err(ModelError::WeightsFile { .. })));
    }
}
