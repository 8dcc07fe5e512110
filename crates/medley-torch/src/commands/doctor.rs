use std::path::Path;
use std::process::ExitCode;

use medley_core::text::plural;
use medley_data::Registry;
use medley_data::memory::{self, AvailableMemory};
use medley_models::{ModelError, environment};
use medley_train::compute::kept;

use medley_cli::args::DoctorArguments;
use medley_cli::findings::{self, Finding};
use medley_cli::output;

pub(crate) fn run(arguments: &DoctorArguments) -> anyhow::Result<ExitCode> {
    let choices = kept::default_folder();
    if let Some(folder) = choices.as_deref().filter(|_| arguments.recalibrate) {
        let forgotten = kept::forget(folder)?;
        output::note(&format!("forgot how to compute {} fastest", plural(forgotten, "network")));
    }
    let findings = examine(&arguments.data.data, choices.as_deref());
    findings::print(&findings, arguments.json)
}

fn examine(data: &Path, choices: Option<&Path>) -> Vec<Finding> {
    let mut findings = Vec::from(findings::of_program());
    let capability = Finding::ok("CPU capability", environment::cpu_capability());
    findings.extend([libtorch(), capability, bfloat16(), threads(), cuda()]);
    findings.extend(library_paths());
    findings.push(free_memory());
    findings.push(kept_choices(choices));
    findings.push(data_folder(data));
    findings
}

fn libtorch() -> Finding {
    let version = environment::libtorch_version();
    if version.starts_with("2.11.0") {
        Finding::ok("libtorch", version)
    } else {
        Finding::problem("libtorch", version, "Medley is built for 2.11.0; `scripts/libtorch` installs it")
    }
}

/// What earlier runs have found fastest.
fn kept_choices(folder: Option<&Path>) -> Finding {
    const WHAT: &str = "calibration";
    const TRIED: &str = "each run tries again what is fastest";
    let Some(folder) = folder else {
        let advice = format!("set HOME, or XDG_CACHE_HOME to an absolute path; until then {TRIED}");
        return Finding::note(WHAT, "no cache folder is known", advice);
    };
    let kept_in = |networks: usize| {
        format!("the fastest way to compute {} is kept in {}", plural(networks, "network"), folder.display())
    };
    match kept::count(folder) {
        Ok((0, 0)) => Finding::ok(WHAT, "no choice of how to compute is kept"),
        Ok((networks, 0)) => Finding::ok(WHAT, kept_in(networks)),
        Ok((networks, unreadable)) => Finding::note(
            WHAT,
            format!("{}, beside {} that cannot be read", kept_in(networks), plural(unreadable, "file")),
            "such a file is replaced by the next run of its network; `medley doctor --recalibrate` removes all",
        ),
        // The error names the folder.
        Err(error) => Finding::note(WHAT, error.to_string(), TRIED),
    }
}

fn bfloat16() -> Finding {
    if environment::fast_bf16(tch::Device::Cpu) {
        Finding::ok("bfloat16", "native: `train.precision = \"auto\"` tries it")
    } else {
        Finding::note(
            "bfloat16",
            "emulated on this processor",
            "`train.precision = \"auto\"` stays with fp32, which is faster here",
        )
    }
}

fn threads() -> Finding {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    match std::env::var("OMP_NUM_THREADS") {
        Ok(set) if set.parse() != Ok(cores) => Finding::note(
            "threads",
            format!("{cores} cores, OMP_NUM_THREADS={set}"),
            "`train.threads` decides, by default one thread per core",
        ),
        _ => Finding::ok("threads", format!("{cores} cores; `train.threads` defaults to that")),
    }
}

fn cuda() -> Finding {
    match environment::require_cuda(tch::Device::Cuda(0)) {
        Ok(()) => Finding::ok("CUDA", plural(tch::Cuda::device_count().unsigned_abs() as usize, "device")),
        Err(ModelError::Device { problem, .. }) => Finding::note("CUDA", "not available", problem),
        Err(error) => Finding::note("CUDA", "not available", error.to_string()),
    }
}

/// The libraries of libtorch that this process has loaded, from the kernel's own list.
fn library_paths() -> Vec<Finding> {
    let maps = fs_err::read_to_string("/proc/self/maps").unwrap_or_default();
    let mut paths: Vec<&str> = maps
        .lines()
        .filter_map(|line| line.split_whitespace().nth(5))
        .filter(|path| {
            let name = path.rsplit('/').next().unwrap_or_default();
            ["libtorch", "libc10", "libgomp"].iter().any(|start| name.starts_with(start))
        })
        .collect();
    paths.sort_unstable();
    paths.dedup();
    paths.into_iter().map(|path| Finding::ok("library", path)).collect()
}

fn free_memory() -> Finding {
    let free = |free: &AvailableMemory| format!("{} free {}", output::bytes(free.bytes), free.limit);
    match memory::available() {
        None => Finding::note("memory", "unknown", "free memory can be read on Linux only"),
        Some(available) if available.bytes < 4 << 30 => {
            Finding::note("memory", free(&available), "the eleven tasks together need up to 4 GB")
        }
        Some(available) => Finding::ok("memory", free(&available)),
    }
}

fn data_folder(data: &Path) -> Finding {
    let shown = data.display();
    let registry = match Registry::of_folder(data) {
        Ok(registry) => registry,
        Err(error) => {
            return Finding::problem("data folder", error.to_string(), "correct the entry, or import the set again");
        }
    };
    let found: Vec<&str> = registry
        .entries()
        .iter()
        .filter(|entry| entry.sizes().iter().any(|&size| data.join(entry.file_name(size)).exists()))
        .map(|entry| entry.name.as_str())
        .collect();
    if found.is_empty() {
        Finding::note(
            "data folder",
            format!("`{shown}` has no MedMNIST file"),
            "`medley data fetch breastmnist` downloads one, `medley data synth` generates synthetic ones; `--data` or MEDLEY_DATA \
             name another folder",
        )
    } else {
        Finding::ok("data folder", format!("`{shown}`: {}", found.join(", ")))
    }
}
