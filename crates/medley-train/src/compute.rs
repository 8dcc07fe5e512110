//! Choosing where and how to compute, and recording it.

use medley_core::record::Environment;
use medley_models::{MemoryLayout, Precision, environment};
use tch::Device;

use crate::TrainError;
use crate::config::schema::{PrecisionChoice, TrainConfig, parse_device};

/// What a run computes with.
#[derive(Debug, Clone)]
pub struct Machine {
    /// CPU or a GPU.
    pub device: Device,
    /// Of products.
    pub precision: Precision,
    /// For the manifest.
    pub environment: Environment,
}

/// Sets the threads of libtorch (once per process), checks the device and resolves `auto`.
///
/// # Errors
/// [`TrainError::Device`] when CUDA is asked for and cannot be had.
pub fn prepare_machine(config: &TrainConfig) -> Result<Machine, TrainError> {
    let device = parse_device(&config.device)
        .map_err(|error| TrainError::Device { device: config.device.clone(), problem: error.to_string() })?;
    if matches!(device, Device::Cuda(_)) {
        environment::require_cuda(device)
            .map_err(|error| TrainError::Device { device: config.device.clone(), problem: error.to_string() })?;
    }
    let threads = config.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    environment::set_threads(threads);
    let precision = match config.precision {
        PrecisionChoice::Bf16 => Precision::Bf16,
        PrecisionChoice::Auto if environment::fast_bf16(device) => Precision::Bf16,
        PrecisionChoice::Fp32 | PrecisionChoice::Auto => Precision::Fp32,
    };
    let environment = Environment {
        medley: env!("CARGO_PKG_VERSION").to_owned(),
        libtorch: environment::libtorch_version(),
        device: config.device.clone(),
        cpu_capability: environment::cpu_capability(),
        threads,
        precision: match precision {
            Precision::Fp32 => "fp32",
            Precision::Bf16 => "bf16",
        }
        .to_owned(),
        memory_layout: match config.memory_layout {
            MemoryLayout::Contiguous => "contiguous",
            MemoryLayout::ChannelsLast => "channels_last",
        }
        .to_owned(),
        platform: format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH),
    };
    Ok(Machine { device, precision, environment })
}
