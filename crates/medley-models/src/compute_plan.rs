//! Where and how a network is computed, apart from what it is.

use medley_core::{Convolutions, MemoryLayout, Precision};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind};

use crate::{ModelError, device};

/// Everything about a computation that changes its bits but not its meaning. [`calibrate`](crate::calibration::calibrate)
/// finds the fastest one for a network on a machine; a run records it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComputePlan {
    /// CPU or a GPU.
    #[serde(with = "device")]
    pub device: Device,
    /// Number format of products.
    pub precision: Precision,
    /// Order in memory.
    pub memory_layout: MemoryLayout,
    /// What computes convolutions, and with Winograd's what lies between them.
    #[serde(default)]
    pub convolutions: Convolutions,
    /// Threads inside one operation of libtorch, 1 with replicas.
    pub threads: usize,
    /// Copies of the network that share each batch, one thread each; 1 is the network alone.
    pub replicas: usize,
}

impl Default for ComputePlan {
    /// fp32, channels last, on one thread of the CPU.
    fn default() -> Self {
        Self {
            device: Device::Cpu,
            precision: Precision::default(),
            memory_layout: MemoryLayout::default(),
            convolutions: Convolutions::default(),
            threads: 1,
            replicas: 1,
        }
    }
}

/// More replicas than any machine has cores.
const MOST_REPLICAS: usize = 256;

impl ComputePlan {
    /// The dtype of activations.
    pub fn kind(&self) -> Kind {
        match self.precision {
            Precision::Fp32 => Kind::Float,
            Precision::Bf16 => Kind::BFloat16,
        }
    }

    /// Cores that compute.
    pub fn cores(&self) -> usize {
        self.threads.max(self.replicas)
    }

    pub(crate) fn check(&self) -> Result<(), ModelError> {
        if !(1..=MOST_REPLICAS).contains(&self.replicas) {
            return Err(ModelError::config("replicas", self.replicas, format!("1 to {MOST_REPLICAS}")));
        }
        let is_usual = self.device == Device::Cpu && self.memory_layout == MemoryLayout::ChannelsLast;
        let (needed, is_possible) = match self.convolutions {
            Convolutions::Libtorch => ("", true),
            Convolutions::Winograd => ("channels last on the CPU", is_usual),
            Convolutions::Im2col => {
                ("bf16 with channels last on the CPU", is_usual && self.precision == Precision::Bf16)
            }
        };
        if !is_possible {
            return Err(ModelError::config(
                "convolutions",
                self.convolutions,
                format!("these kernels are for {needed}"),
            ));
        }
        if self.replicas > 1 && self.device != Device::Cpu {
            let problem = "replicas share the cores of a CPU; on a GPU use 1";
            return Err(ModelError::config("replicas", self.replicas, problem));
        }
        Ok(())
    }
}
