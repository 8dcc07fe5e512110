//! Choosing where and how to compute, and recording it.
//!
//! Precision, memory layout and replicas are what the config says, or else what a [calibration] of about two seconds finds
//! fastest. The clock decides then, so the choice is part of the manifest: a run that goes on takes it from there, and one that
//! shall be repeated to the bit on the same machine pins it in its config.
//!
//! [calibration]: medley_models::calibration

use std::time::Duration;

use medley_core::TaskSpec;
use medley_core::record::{CalibrationTrial, Environment};
use medley_models::calibration::{Measurement, Pinned, Trial, Way, calibrate};
use medley_models::{BuildOptions, MemoryLayout, Precision, environment};
use tch::Device;

use crate::TrainError;
use crate::config::Experiment;
use crate::config::schema::{LayoutChoice, PrecisionChoice, TrainConfig, parse_device};
use crate::data::INPUT_CHANNELS;

/// Wall time that the choice may take for a small network.
const BUDGET: Duration = Duration::from_secs(2);

/// Where and how a run computes: the part of its surroundings that changes bits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Compute {
    /// CPU or a GPU.
    pub device: Device,
    /// Of products; parameters are always fp32.
    pub precision: Precision,
    /// Order in memory.
    pub layout: MemoryLayout,
    /// Networks that share each batch.
    pub replicas: usize,
    /// Threads that share what is done outside of libtorch: as many as compute. The bits do not depend on them.
    pub threads: usize,
}

/// What a run computes with.
#[derive(Debug, Clone)]
pub struct Machine {
    /// How.
    pub compute: Compute,
    /// For the manifest.
    pub environment: Environment,
    /// What was tried, for the manifest; empty if nothing was open.
    pub calibration: Vec<CalibrationTrial>,
}

/// Checks that the device of a config can be used.
///
/// # Errors
/// [`TrainError::Device`] when CUDA is asked for and cannot be had.
pub fn find_device(config: &TrainConfig) -> Result<Device, TrainError> {
    let refuse = |problem: String| TrainError::Device { device: config.device.clone(), problem };
    let device = parse_device(&config.device).map_err(|error| refuse(error.to_string()))?;
    environment::require_cuda(device).map_err(|error| refuse(error.to_string()))?;
    Ok(device)
}

/// Decides what the config leaves open, and sets the threads of libtorch.
///
/// # Errors
/// When the network cannot be built.
pub fn choose(experiment: &Experiment, tasks: &[TaskSpec], device: Device) -> Result<Machine, TrainError> {
    let config = &experiment.train;
    let cores = cores(config);
    environment::keep_freed_memory();
    environment::set_threads(cores);
    let options = BuildOptions {
        device,
        input_channels: INPUT_CHANNELS as i64,
        input_size: experiment.data.size as i64,
        ..BuildOptions::default()
    };
    let trial = Trial { net: &experiment.net, tasks, options, cores, batch_size: config.batch_size, budget: BUDGET };
    let calibration = calibrate(&trial, pinned(config))?;
    Ok(machine(config, device, calibration.chosen, &calibration.measured))
}

/// What an earlier process chose, for a run that goes on.
///
/// # Errors
/// [`TrainError::Environment`] for a choice that this program does not know.
pub fn recorded(config: &TrainConfig, device: Device, environment: &Environment) -> Result<Machine, TrainError> {
    let unknown = |key, value: &str| TrainError::Environment { key, value: value.to_owned() };
    let Environment { precision, memory_layout, threads, replicas, .. } = environment;
    let precision = [Precision::Fp32, Precision::Bf16].into_iter().find(|&known| precision_name(known) == precision);
    let layout = [MemoryLayout::Contiguous, MemoryLayout::ChannelsLast]
        .into_iter()
        .find(|&known| layout_name(known) == memory_layout);
    let way = Way {
        precision: precision.ok_or_else(|| unknown("precision", &environment.precision))?,
        layout: layout.ok_or_else(|| unknown("memory_layout", memory_layout))?,
        threads: *threads,
        replicas: *replicas,
    };
    Ok(machine(config, device, way, &[]))
}

fn machine(config: &TrainConfig, device: Device, way: Way, measured: &[Measurement]) -> Machine {
    environment::keep_freed_memory();
    environment::set_threads(way.threads);
    let environment = Environment {
        medley: env!("CARGO_PKG_VERSION").to_owned(),
        libtorch: environment::libtorch_version(),
        device: config.device.clone(),
        cpu_capability: environment::cpu_capability(),
        threads: way.threads,
        precision: precision_name(way.precision).to_owned(),
        memory_layout: layout_name(way.layout).to_owned(),
        replicas: way.replicas,
        platform: format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH),
    };
    let Way { precision, layout, replicas, threads } = way;
    let calibration = measured.iter().map(trial_record).collect();
    let compute = Compute { device, precision, layout, replicas, threads: threads.max(replicas) };
    Machine { compute, environment, calibration }
}

fn trial_record(measured: &Measurement) -> CalibrationTrial {
    CalibrationTrial {
        precision: precision_name(measured.way.precision).to_owned(),
        memory_layout: layout_name(measured.way.layout).to_owned(),
        threads: measured.way.threads,
        replicas: measured.way.replicas,
        // Digits beyond the noise say nothing.
        images_per_second: (measured.images_per_second * 10.0).round() / 10.0,
    }
}

fn cores(config: &TrainConfig) -> usize {
    config.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
}

fn pinned(config: &TrainConfig) -> Pinned {
    Pinned {
        precision: match config.precision {
            PrecisionChoice::Auto => None,
            PrecisionChoice::Fp32 => Some(Precision::Fp32),
            PrecisionChoice::Bf16 => Some(Precision::Bf16),
        },
        layout: match config.memory_layout {
            LayoutChoice::Auto => None,
            LayoutChoice::Contiguous => Some(MemoryLayout::Contiguous),
            LayoutChoice::ChannelsLast => Some(MemoryLayout::ChannelsLast),
        },
        replicas: config.replicas,
    }
}

fn precision_name(precision: Precision) -> &'static str {
    match precision {
        Precision::Fp32 => "fp32",
        Precision::Bf16 => "bf16",
    }
}

fn layout_name(layout: MemoryLayout) -> &'static str {
    match layout {
        MemoryLayout::Contiguous => "contiguous",
        MemoryLayout::ChannelsLast => "channels_last",
    }
}
