//! Choosing where and how to compute, and recording it.
//!
//! Precision, memory layout, kernels and replicas are what the config says, or else what a [calibration] of about two seconds finds
//! fastest. The clock decides then, so the choice is [kept] for the next run, and part of the manifest: a run that goes on takes it
//! from there, and one that shall be repeated to the bit on any machine fixes it in its config.
//!
//! [calibration]: medley_models::calibration

pub mod kept;

use std::path::Path;
use std::time::Duration;

use medley_core::TaskSpec;
use medley_core::record::{CalibrationTrial, Environment};
use medley_models::calibration::{ComputeChoices, Workload, calibrate};
use medley_models::{ComputePlan, Convolutions, MemoryLayout, ModelError, Precision, device, environment};
use tch::Device;

use self::kept::KeptFile;
use crate::config::Experiment;
use crate::config::schema::{ConvolutionsChoice, LayoutChoice, PrecisionChoice};
use crate::data::INPUT_CHANNELS;

/// Wall time that the choice may take for a small network.
const BUDGET: Duration = Duration::from_secs(2);

/// Of the plans that may be chosen, the one that takes the least memory.
pub fn least(experiment: &Experiment) -> ComputePlan {
    let choices = choices(experiment);
    let precision = match choices.precision {
        Some(fixed) => fixed,
        None if environment::fast_bf16(choices.device) => Precision::Bf16,
        None => Precision::Fp32,
    };
    let replicas = choices.replicas.unwrap_or(1);
    ComputePlan { device: choices.device, precision, replicas, ..ComputePlan::default() }
}

/// A plan with as many replicas as may be tried.
pub fn most_replicas(experiment: &Experiment, plan: ComputePlan) -> ComputePlan {
    let choices = choices(experiment);
    let most = if choices.device == Device::Cpu { choices.cores } else { 1 };
    ComputePlan { replicas: choices.replicas.unwrap_or(most), ..plan }
}

/// What was decided.
#[derive(Debug, Clone, PartialEq)]
pub struct ChosenPlan {
    /// How to compute.
    pub plan: ComputePlan,
    /// What was tried, now or when the choice was first made; empty where nothing was left to choose.
    pub trials: Vec<CalibrationTrial>,
    /// Whether it was made for an earlier run.
    pub kept: bool,
}

/// Decides what the config leaves open, with `replicas` whether it may be several of them. A choice that `folder` keeps is taken,
/// and a new one is kept there.
///
/// # Errors
/// When the network cannot be built.
pub fn choose(
    experiment: &Experiment,
    tasks: &[TaskSpec],
    replicas: bool,
    folder: Option<&Path>,
) -> Result<ChosenPlan, ModelError> {
    let choices = choices(experiment);
    let choices = ComputeChoices { replicas: choices.replicas.or((!replicas).then_some(1)), ..choices };
    environment::keep_freed_memory();
    environment::set_threads(choices.cores);
    let workload = Workload {
        net: experiment.validated_net(),
        tasks,
        input_channels: INPUT_CHANNELS as i64,
        input_size: experiment.data.size as i64,
        batch_size: experiment.train.batch_size,
    };
    let place = folder.map(|folder| KeptFile::new(folder, &workload, &choices));
    if let Some((plan, trials)) = place.as_ref().and_then(KeptFile::read) {
        return Ok(ChosenPlan { plan, trials, kept: true });
    }
    let calibration = calibrate(&workload, &choices, BUDGET)?;
    if let Some(place) = place.filter(|_| !calibration.measured.is_empty()) {
        place.keep(&calibration);
    }
    Ok(ChosenPlan { plan: calibration.plan, trials: calibration.trials(), kept: false })
}

/// What an earlier process chose, for a run that goes on.
pub fn recorded(experiment: &Experiment, environment: &Environment) -> ComputePlan {
    let Environment { precision, memory_layout, convolutions, threads, replicas, .. } = *environment;
    ComputePlan { device: experiment.device(), precision, memory_layout, convolutions, threads, replicas }
}

/// Prepares this process to compute by a plan.
pub fn prepare_process(plan: &ComputePlan) {
    environment::keep_freed_memory();
    environment::set_threads(plan.threads);
}

/// What this process computes with, for the manifest.
pub fn environment(plan: &ComputePlan) -> Environment {
    Environment {
        medley: env!("CARGO_PKG_VERSION").to_owned(),
        libtorch: environment::libtorch_version(),
        device: device::name(plan.device),
        cpu_capability: environment::cpu_capability(),
        threads: plan.threads,
        precision: plan.precision,
        memory_layout: plan.memory_layout,
        convolutions: plan.convolutions,
        replicas: plan.replicas,
        platform: format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH),
        kernel_instructions: Some(environment::kernel_instructions().to_owned()),
        mkl_cbwr: environment::mkl_cbwr(),
    }
}

fn choices(experiment: &Experiment) -> ComputeChoices {
    let config = &experiment.train;
    let all_cores = || std::thread::available_parallelism().map_or(1, usize::from);
    ComputeChoices {
        device: experiment.device(),
        cores: config.threads.unwrap_or_else(all_cores),
        precision: match config.precision {
            PrecisionChoice::Auto => None,
            PrecisionChoice::Fp32 => Some(Precision::Fp32),
            PrecisionChoice::Bf16 => Some(Precision::Bf16),
        },
        memory_layout: match config.memory_layout {
            LayoutChoice::Auto => None,
            LayoutChoice::Contiguous => Some(MemoryLayout::Contiguous),
            LayoutChoice::ChannelsLast => Some(MemoryLayout::ChannelsLast),
        },
        convolutions: match config.convolutions {
            ConvolutionsChoice::Auto => None,
            ConvolutionsChoice::Libtorch => Some(Convolutions::Libtorch),
            ConvolutionsChoice::Winograd => Some(Convolutions::Winograd),
            ConvolutionsChoice::Im2col => Some(Convolutions::Im2col),
        },
        replicas: config.replicas,
    }
}
