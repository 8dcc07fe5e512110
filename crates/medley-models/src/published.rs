//! Weights under the names of torchvision, timm and the official benchmark.
//!
//! [`export`] gives what one task sees of a network as the plain single-task network it amounts to: its own `BatchNorm` takes
//! the place of the shared one, its adapters are added into the kernels, and its embedding into scales and shifts. The
//! result loads into the published model with `strict=True`. [`import`] goes the other way, into every task's copy at once.
//!
//! ```no_run
//! use std::collections::BTreeMap;
//! use medley_models::{published, weights};
//! # fn example(net: &medley_models::MultiTaskNet) -> Result<Vec<u8>, medley_models::ModelError> {
//! let bytes = weights::to_bytes(&published::export(net, 0)?, &BTreeMap::new())?;
//! # Ok(bytes)
//! # }
//! ```

use std::collections::{BTreeMap, BTreeSet};

use tch::{Kind, Tensor};

use crate::conformance::task;
use crate::weights::NamedTensors;
use crate::{ModelError, MultiTaskNet, NetConfig, weights};

/// The network of one task as a plain one, under published names: fp32 on the network's device, sorted by name.
///
/// # Errors
/// [`ModelError::Input`] for a task the network does not have; [`ModelError::Torch`] when memory runs out.
pub fn export(net: &MultiTaskNet, task: usize) -> Result<NamedTensors, ModelError> {
    let _guard = tch::no_grad_guard();
    let view = TaskView::new(net, task)?;
    let mut tensors = Vec::new();
    for (name, shape) in plain_trunk(net)? {
        let tensor = view.plain(&name)?;
        if tensor.size() != shape {
            return Err(ModelError::Unsavable { name, problem: format!("it has no plain form of shape {shape:?}") });
        }
        tensors.push((name, tensor));
    }
    for part in ["weight", "bias"] {
        tensors.push((format!("{}.{part}", head_name(net)), view.get(&format!("heads.{}.{part}", view.head))?));
    }
    tensors.sort_by(|left, right| left.0.cmp(&right.0));
    Ok(tensors)
}

/// Loads published weights, safetensors bytes, into the trunk, and into the copies that tasks have of it; adapters and
/// embeddings stay as they are. With `head`, the file's head goes to that task's, else it is left out. The names of the
/// official benchmark's nets and the prefixes and counters of PyTorch's training are understood.
///
/// # Errors
/// As [`weights::load_into`], with the file's names in the lists; nothing was changed then.
pub fn import(bytes: &[u8], net: &MultiTaskNet, head: Option<usize>) -> Result<(), ModelError> {
    let (tensors, _) = weights::read(bytes)?;
    let published = head_name(net);
    let ours = match head {
        Some(task) => Some(format!("heads.{}", TaskView::new(net, task)?.head)),
        None => None,
    };
    let trunk: BTreeSet<String> = plain_trunk(net)?.into_iter().map(|(name, _)| name).collect();
    let mut targets: BTreeMap<String, Vec<Tensor>> = BTreeMap::new();
    for (name, tensor) in net.parameters().into_iter().chain(net.buffers()) {
        if let Some(rest) = name.strip_prefix("backbone.") {
            if let Some(plain) = plain_name(net, &trunk, rest) {
                targets.entry(plain).or_default().push(tensor);
            }
        } else if let Some(rest) = ours.as_ref().and_then(|head| name.strip_prefix(head.as_str())) {
            targets.entry(format!("{published}{rest}")).or_default().push(tensor);
        }
    }
    let is_head = |name: &str| name.strip_prefix(published).is_some_and(|rest| rest.starts_with('.'));
    let found: BTreeMap<String, Tensor> = tensors
        .into_iter()
        .map(|(name, tensor)| (torch_name(&name), tensor))
        .filter(|(name, _)| !name.ends_with("num_batches_tracked") && (head.is_some() || !is_head(name)))
        .collect();
    copy_strictly(&found, &targets)
}

fn copy_strictly(found: &BTreeMap<String, Tensor>, targets: &BTreeMap<String, Vec<Tensor>>) -> Result<(), ModelError> {
    // One rule decides what fits, here and for Medley's own files.
    let file: NamedTensors = found.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone())).collect();
    let first: NamedTensors = targets.iter().map(|(name, copies)| (name.clone(), copies[0].shallow_clone())).collect();
    weights::load_into(&weights::to_bytes(&file, &BTreeMap::new())?, &first)?;
    let _guard = tch::no_grad_guard();
    for copies in targets.values() {
        for copy in &copies[1..] {
            copy.shallow_clone().f_copy_(&copies[0])?;
        }
    }
    Ok(())
}

/// What the published model calls our head.
fn head_name(net: &MultiTaskNet) -> &'static str {
    let entry = net.config().backbone();
    match entry.pretrained {
        Some(pretrained) => pretrained.head,
        None if entry.volumes => "fc",
        None => "head",
    }
}

/// torchvision's name of a tensor of the official benchmark or of a model that was trained in parallel.
fn torch_name(name: &str) -> String {
    let name = name.strip_prefix("module.").unwrap_or(name);
    let name = name.replace(".shortcut.", ".downsample.");
    match name.strip_prefix("linear.") {
        Some(rest) => format!("fc.{rest}"),
        None => name,
    }
}

/// The name that a tensor of the trunk, without `backbone.`, has in a network of one task; `None` for adapters and embeddings.
fn plain_name(net: &MultiTaskNet, trunk: &BTreeSet<String>, name: &str) -> Option<String> {
    // A task may be called as a layer is.
    if trunk.contains(name) {
        return Some(name.to_owned());
    }
    let parts: Vec<&str> = name.split('.').collect();
    let (last, path) = parts.split_last()?;
    if path.contains(&"adapters") || path.last() == Some(&"film") {
        return None;
    }
    match path.split_last() {
        Some((own, path)) if net.task_names().iter().any(|task| task == own) => {
            Some(path.iter().chain([last]).copied().collect::<Vec<_>>().join("."))
        }
        _ => Some(name.to_owned()),
    }
}

/// Names and shapes of the trunk of a plain network of the same form.
fn plain_trunk(net: &MultiTaskNet) -> Result<Vec<(String, Vec<i64>)>, ModelError> {
    let NetConfig { backbone, input_size, .. } = net.config().config();
    let config = NetConfig { backbone: backbone.clone(), input_size: *input_size, ..NetConfig::default() };
    let plain = MultiTaskNet::outline(&config.validated()?, &[task("plain", 1)], net.options())?;
    let tensors = plain.parameters().into_iter().chain(plain.buffers());
    let trunk = tensors.filter_map(|(name, tensor)| Some((name.strip_prefix("backbone.")?.to_owned(), tensor.size())));
    Ok(trunk.collect())
}

/// What one task sees of a network.
struct TaskView {
    tensors: BTreeMap<String, Tensor>,
    task: usize,
    name: String,
    head: String,
}

impl TaskView {
    fn new(net: &MultiTaskNet, task: usize) -> Result<Self, ModelError> {
        let (Some(name), Some(head)) = (net.task_names().get(task), net.head_of(task)) else {
            let expected = format!("below the number of tasks, {}", net.task_count());
            return Err(ModelError::Input { what: "the task is", actual: task.to_string(), expected });
        };
        let tensors = net.parameters().into_iter().chain(net.buffers()).collect();
        Ok(Self { tensors, task, name: name.clone(), head: head.to_owned() })
    }

    fn get(&self, name: &str) -> Result<Tensor, ModelError> {
        let missing =
            || ModelError::Unsavable { name: name.to_owned(), problem: "the network does not have it".into() };
        Ok(self.tensors.get(name).ok_or_else(missing)?.f_detach()?)
    }

    /// The tensor that a plain network would have under this name.
    fn plain(&self, name: &str) -> Result<Tensor, ModelError> {
        let (path, last) =
            name.rsplit_once('.').map_or((String::new(), name), |(path, last)| (format!("{path}."), last));
        let full = format!("backbone.{path}");
        let own = self.tensors.get(&format!("{full}{}.{last}", self.name));
        let mut tensor = match own {
            Some(own) => own.f_detach()?,
            None => self.get(&format!("{full}{last}"))?,
        };
        if last == "weight"
            && let Some(adapter) = self.tensors.get(&format!("{full}adapters.{}.weight", self.name))
        {
            let sides = &tensor.size()[2..];
            let pads: Vec<i64> = sides.iter().rev().flat_map(|side| [(side - 1) / 2, (side - 1) / 2]).collect();
            tensor = tensor.f_add(&adapter.f_detach()?.f_constant_pad_nd(pads.as_slice())?)?;
        }
        if matches!(last, "weight" | "bias")
            && let Some(film) = self.tensors.get(&format!("{full}film.weight"))
        {
            let embedding = self.get("task_embedding.weight")?.f_select(0, self.task as i64)?;
            let both = film.f_detach()?.f_mv(&embedding)?;
            let channels = both.size()[0] / 2;
            tensor = tensor.f_mul(&both.f_narrow(0, 0, channels)?.f_add_scalar(1.0)?)?;
            if last == "bias" {
                tensor = tensor.f_add(&both.f_narrow(0, channels, channels)?)?;
            }
        }
        Ok(tensor.f_to_kind(Kind::Float)?)
    }
}
