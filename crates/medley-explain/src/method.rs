//! The methods, and the one way to ask.

use std::fmt;

use tch::{Device, Kind, Tensor};

use crate::map::AttributionMap;
use crate::{ExplainError, Network, grad_cam, integrated_gradients, occlusion};

/// How a map is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Grad-CAM (Selvaraju et al., *Grad-CAM: Visual explanations from deep networks via gradient-based localization*, ICCV 2017): the
    /// last feature map, its channels weighted by the mean over places of the logit's gradient, summed over channels, and what is
    /// below 0 cut off. The map is as coarse as the feature map.
    GradCam,
    /// Integrated gradients (Sundararajan, Taly and Yan, *Axiomatic attribution for deep networks*, ICML 2017): the mean gradient on the
    /// straight line from a baseline to the image, times their difference, summed over the channels of the image. The integral is
    /// a Riemann sum over the middles of `steps` equal parts.
    IntegratedGradients {
        /// Parts of the integral, 1 to 10,000.
        steps: usize,
    },
    /// Occlusion (Zeiler and Fergus, *Visualizing and understanding convolutional networks*, ECCV 2014): a window of the baseline
    /// slides over the image, and each place has the mean of what the logit lost under the windows that hid it.
    Occlusion {
        /// Pixels a side, 1 to the side of the image.
        window: usize,
        /// Pixels from one window to the next, 1 to `window`.
        stride: usize,
    },
}

impl Method {
    /// Integrated gradients in 64 steps.
    pub const INTEGRATED_GRADIENTS: Self = Self::IntegratedGradients { steps: 64 };

    /// Windows of a seventh of the side, each half a window from the last; of volumes, side by side.
    pub fn occlusion_of(side: usize, volumes: bool) -> Self {
        let window = (side / 7).max(1);
        Self::Occlusion { window, stride: if volumes { window } else { window.div_ceil(2) } }
    }

    /// Its name, as on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::GradCam => "grad-cam",
            Self::IntegratedGradients { .. } => "integrated-gradients",
            Self::Occlusion { .. } => "occlusion",
        }
    }
}

/// As people read it, with its numbers.
impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GradCam => f.write_str("Grad-CAM"),
            Self::IntegratedGradients { steps } => write!(f, "integrated gradients, {steps} steps"),
            Self::Occlusion { window, stride } => write!(f, "occlusion, window {window}, stride {stride}"),
        }
    }
}

/// How to explain.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// The method.
    pub method: Method,
    /// What stands for "nothing there", one number per channel, in the units of the normalised images; empty is 0 everywhere, the mean
    /// colour of the training images. Grad-CAM needs none.
    pub baseline: Vec<f32>,
    /// Images in one pass, at least 1: what memory is needed.
    pub batch_size: usize,
}

impl Options {
    /// A method, with the mean colour as baseline and 64 images in a pass.
    pub fn new(method: Method) -> Self {
        Self { method, baseline: Vec::new(), batch_size: 64 }
    }
}

/// A map, and what it rests on.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The class whose logit is explained.
    pub class: usize,
    /// What each place adds to the logit.
    pub map: AttributionMap,
    /// The logit of the class for the image.
    pub logit: f64,
    /// The same for the baseline: of integrated gradients alone.
    pub baseline_logit: Option<f64>,
    /// The sum of the map less the difference of the two logits: 0 if the integral were exact (the axiom of completeness). Of integrated
    /// gradients alone.
    pub residual: Option<f64>,
}

/// Explains, for each image of a batch `[N, C, H, W]` f32 (volumes `[N, C, D, H, W]`), normalised, the logit of a class.
///
/// # Errors
/// [`ExplainError`]: what does not fit together, a network without what the method needs, and what the network says.
pub fn explain(
    network: &dyn Network,
    images: &Tensor,
    classes: &[usize],
    options: &Options,
) -> Result<Vec<Explanation>, ExplainError> {
    let shape = images.size();
    if !(4..=5).contains(&shape.len()) || shape.contains(&0) || shape[0] as usize != classes.len() {
        let actual = format!("{shape:?} for {} classes", classes.len());
        let expected = "[N, C, H, W] or [N, C, D, H, W], and a class for each".to_owned();
        return Err(ExplainError::Input { what: "images are", actual, expected });
    }
    if options.batch_size == 0 {
        return Err(ExplainError::Option { option: "batch_size", value: "0".into(), problem: "at least 1".into() });
    }
    let baseline = baseline(&options.baseline, &shape)?;
    let mut explanations = Vec::with_capacity(classes.len());
    for (start, classes) in (0..).step_by(options.batch_size).zip(classes.chunks(options.batch_size)) {
        let images = images.f_narrow(0, start, classes.len() as i64)?.f_detach()?;
        let question = Question { network, images: &images, classes, baseline: &baseline, batch: options.batch_size };
        let answers = match options.method {
            Method::GradCam => grad_cam::explain(&question),
            Method::IntegratedGradients { steps } => integrated_gradients::explain(&question, steps),
            Method::Occlusion { window, stride } => occlusion::explain(&question, window, stride),
        }?;
        let unknown = answers
            .iter()
            .position(|answer| !answer.logit.is_finite() || answer.map.values().iter().any(|value| !value.is_finite()));
        if let Some(row) = unknown {
            return Err(ExplainError::NotFinite { image: start as usize + row });
        }
        explanations.extend(answers);
    }
    Ok(explanations)
}

/// `[1, C, 1, 1]` or `[1, C, 1, 1, 1]`.
fn baseline(values: &[f32], shape: &[i64]) -> Result<Tensor, ExplainError> {
    let mut size = vec![1; shape.len()];
    size[1] = shape[1];
    if values.is_empty() {
        return Ok(Tensor::f_zeros(size.as_slice(), (Kind::Float, Device::Cpu))?);
    }
    if values.len() as i64 != shape[1] || values.iter().any(|value| !value.is_finite()) {
        let expected = format!("{} finite numbers, one for each channel", shape[1]);
        return Err(ExplainError::Input { what: "the baseline is", actual: format!("{values:?}"), expected });
    }
    Ok(Tensor::f_from_slice(values)?.f_view(size.as_slice())?)
}

/// One batch, checked.
pub(crate) struct Question<'a> {
    pub(crate) network: &'a dyn Network,
    /// `[N, C, ...]`, no graph.
    pub(crate) images: &'a Tensor,
    /// One for each image.
    pub(crate) classes: &'a [usize],
    /// Broadcasts to `images`.
    pub(crate) baseline: &'a Tensor,
    /// Most images in one pass.
    pub(crate) batch: usize,
}

impl Question<'_> {
    /// Height and width (depth, height and width) of the images.
    pub(crate) fn space(&self) -> Vec<i64> {
        self.images.size()[2..].to_vec()
    }

    /// Of logits `[K * N, outputs]`, images one after another `K` times, the one of each image's class: `[K * N]`.
    pub(crate) fn chosen(&self, logits: &Tensor) -> Result<Tensor, ExplainError> {
        let (rows, outputs) = (logits.size()[0], logits.size()[1] as usize);
        if let Some(&class) = self.classes.iter().find(|&&class| class >= outputs) {
            return Err(ExplainError::Class { class, outputs });
        }
        let classes: Vec<i64> = self.classes.iter().map(|&class| class as i64).collect();
        let index = Tensor::f_from_slice(&classes)?.f_repeat([rows / classes.len() as i64])?.f_unsqueeze(1)?;
        Ok(logits.f_gather(1, &index.f_to_device(logits.device())?, false)?.f_squeeze_dim(1)?)
    }

    /// The logits of the classes for some images, without a graph.
    pub(crate) fn logits(&self, images: &Tensor) -> Result<Vec<f64>, ExplainError> {
        tch::no_grad(|| numbers(&self.chosen(&self.network.pass(images)?.logits)?))
    }
}

/// All values of a tensor, in order.
pub(crate) fn numbers(tensor: &Tensor) -> Result<Vec<f64>, ExplainError> {
    let flat = tensor.f_detach()?.f_to_device(Device::Cpu)?.f_to_kind(Kind::Double)?.f_contiguous()?.f_view([-1])?;
    Ok(Vec::try_from(flat)?)
}
