//! What the machine offers, and what a manifest must record of it.

use std::path::PathBuf;

use medley_core::text::plural;
use tch::{Cuda, Device};

use crate::ModelError;

/// The libtorch that tch 0.24 is made for, and whose version its build checks.
const PAIRED_LIBTORCH: &str = "2.11.0";

/// Version of the libtorch in use, such as `2.11.0+cpu`: the file `build-version` beside the library that this process has
/// loaded, else the version that was checked when the program was built.
pub fn libtorch_version() -> String {
    loaded_library("libtorch_cpu")
        .and_then(|library| Some(library.parent()?.parent()?.join("build-version")))
        .and_then(|path| fs_err::read_to_string(path).ok())
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty() && text.len() < 64)
        .unwrap_or_else(|| PAIRED_LIBTORCH.to_owned())
}

/// Where this process has loaded a library from, where the system can tell.
fn loaded_library(stem: &str) -> Option<PathBuf> {
    let maps = fs_err::read_to_string("/proc/self/maps").ok()?;
    let path = maps
        .lines()
        .filter_map(|line| line.find('/').map(|start| &line[start..]))
        .find(|path| path.rsplit('/').next().is_some_and(|name| name.starts_with(stem)))?;
    Some(PathBuf::from(path))
}

/// What the processor is called, such as `AMD EPYC 9B45`; empty where the system does not tell.
pub fn processor_name() -> String {
    let info = fs_err::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let named = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    named.map_or_else(String::new, |(_, name)| name.trim().chars().take(120).collect())
}

/// The vector instructions that libtorch's kernels use here: `AVX512`, `AVX2` or `DEFAULT`, by the rule of
/// `at::get_cpu_capability` (`aten/src/ATen/native/DispatchStub.cpp`), `ATEN_CPU_CAPABILITY` included. The bits of results
/// depend on it.
pub fn cpu_capability() -> String {
    capability_of(std::env::var("ATEN_CPU_CAPABILITY").ok().as_deref(), detected_capability()).to_owned()
}

fn capability_of(asked: Option<&str>, detected: &'static str) -> &'static str {
    match asked {
        Some("avx512") => "AVX512",
        Some("avx2") => "AVX2",
        Some("default") => "DEFAULT",
        // libtorch warns of other words and goes on as if there were none.
        _ => detected,
    }
}

/// The instructions that Medley's own kernels use here, which the bits of results depend on, too: `AMX`, `AVX512_BF16`, `AVX512`, `AVX2` or
/// `DEFAULT`.
pub fn kernel_instructions() -> &'static str {
    medley_kernels::instructions()
}

/// `MKL_CBWR`, MKL's mode of conditional numerical reproducibility, where it is set. The bits of results depend on it.
pub fn mkl_cbwr() -> Option<String> {
    std::env::var("MKL_CBWR").ok()
}

#[cfg(target_arch = "x86_64")]
fn detected_capability() -> &'static str {
    use std::arch::is_x86_feature_detected as has;
    if has!("avx512vl") && has!("avx512bw") && has!("avx512dq") && has!("fma") {
        "AVX512"
    } else if has!("avx2") && has!("fma") {
        "AVX2"
    } else {
        "DEFAULT"
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn detected_capability() -> &'static str {
    "DEFAULT"
}

/// Whether the device multiplies bfloat16 natively, so that [`Precision::Bf16`](crate::Precision::Bf16) is faster than fp32.
pub fn fast_bf16(device: Device) -> bool {
    match device {
        Device::Cuda(_) | Device::Mps => true,
        Device::Cpu => cpu_multiplies_bf16(),
        Device::Vulkan => false,
    }
}

#[cfg(target_arch = "x86_64")]
fn cpu_multiplies_bf16() -> bool {
    cpu_capability() == "AVX512" && std::arch::is_x86_feature_detected!("avx512bf16")
}

#[cfg(not(target_arch = "x86_64"))]
fn cpu_multiplies_bf16() -> bool {
    false
}

/// Sets the number of threads inside one operation of libtorch, at least 1, for operations that the calling thread starts. The
/// bits of results depend on it.
///
/// libtorch keeps the number per thread; a thread that has never asked takes the number that was set last anywhere in the
/// process, at its first operation. Asking first makes what is set here stay, whatever other threads set.
pub fn set_threads(intra: usize) {
    let _ = tch::get_num_threads();
    tch::set_num_threads(i32::try_from(intra.max(1)).unwrap_or(i32::MAX));
}

/// Number of threads inside one operation of libtorch.
pub fn threads() -> usize {
    tch::get_num_threads().max(1) as usize
}

/// Keeps memory that tensors free within the process, for the next step to use. glibc gives large blocks back to the system at
/// once, so that a training loop takes thousands of page faults in every step: without them small nets train 8 % faster. Does
/// nothing with other C libraries. Peak memory grows by what lies between the blocks.
pub fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // Blocks up to a GiB come from the heap (32 MiB is the most that older versions take), and its end is given back only
        // beyond that.
        const LARGE: libc::c_int = 1 << 30;
        // SAFETY: mallopt takes two integers, locks the allocator and changes limits only; what it refuses stays as it was.
        #[allow(unsafe_code, reason = "a setting of the C library's allocator")]
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE / 32);
            libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
            libc::mallopt(libc::M_TRIM_THRESHOLD, LARGE);
        }
    }
}

/// Makes sure that a CUDA device can be used, loading `libtorch_cuda.so` if the program was linked without it. Does nothing
/// for other devices.
///
/// # Errors
/// [`ModelError::Device`] saying whether the library, the driver or the device is missing.
pub fn require_cuda(device: Device) -> Result<(), ModelError> {
    let Device::Cuda(index) = device else { return Ok(()) };
    let refuse = |problem: String| Err(ModelError::Device { device, problem });
    if !tch::utils::has_cuda()
        && let Err(problem) = load_cuda_library()
    {
        return refuse(problem);
    }
    if !Cuda::is_available() {
        return refuse(
            "no NVIDIA GPU was found that libtorch can use; `nvidia-smi` shows the GPUs and the driver".into(),
        );
    }
    let count = usize::try_from(Cuda::device_count()).unwrap_or(0);
    if index >= count {
        return refuse(format!("this machine has {}, numbered from 0", plural(count, "CUDA device")));
    }
    Ok(())
}

/// The linker leaves `libtorch_cuda.so` out of a program that names none of its symbols; opening it registers its kernels.
fn load_cuda_library() -> Result<(), String> {
    let folder = loaded_library("libtorch_cpu").and_then(|library| library.parent().map(PathBuf::from));
    let path = folder.unwrap_or_default().join("libtorch_cuda.so");
    if !path.exists() {
        return Err("this libtorch is built for CPUs only; `scripts/libtorch --cuda` installs the one for NVIDIA GPUs"
            .to_owned());
    }
    // SAFETY: the library is part of the libtorch that is already running; its initialisers only register kernels.
    #[allow(unsafe_code, reason = "opening a shared library runs its initialisers")]
    match unsafe { libloading::Library::new(&path) } {
        Ok(library) => {
            std::mem::forget(library); // its kernels are registered for the life of the process
            Ok(())
        }
        Err(error) => {
            Err(format!("the CUDA part of libtorch does not load ({error}); `scripts/libtorch --cuda` reinstalls it"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_variable_wins() {
        assert_eq!(capability_of(None, "AVX512"), "AVX512");
        assert_eq!(capability_of(Some("avx2"), "AVX512"), "AVX2");
        assert_eq!(capability_of(Some("AVX2"), "AVX512"), "AVX512");
        assert_eq!(capability_of(Some("default"), "AVX512"), "DEFAULT");
    }

    #[test]
    fn the_loaded_libtorch_is_found() {
        assert!(libtorch_version().starts_with("2.11.0"), "{}", libtorch_version());
    }

    #[test]
    fn a_device_that_is_not_there_is_refused() {
        let error = require_cuda(Device::Cuda(99)).unwrap_err().to_string();
        assert!(error.contains("`cuda:99`"), "{error}");
        require_cuda(Device::Cpu).unwrap();
    }
}
