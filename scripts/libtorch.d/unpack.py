"""Lays out libtorch from wheels: `unpack.py {cpu|cuda} WHEELS TARGET`.

cpu:  TARGET/{include,lib,licenses,build-version}, with the CPU libraries alone. `libtorch.so` is a linker script: the
      real one asks for the CUDA libraries.
cuda: TARGET/torch/{include,lib,build-version} beside TARGET/nvidia/*/lib, as pip lays them out, because the libraries
      of torch look for those of NVIDIA at ../../nvidia/*/lib.

Writes the SHA-256 of each library to SHA256SUMS beside build-version, and build-version last.
"""

import hashlib
import os
import pathlib
import sys
import zipfile

VERSION = "2.11.0"
CPU_LIBRARIES = {
    "torch/lib/libtorch_cpu.so",
    "torch/lib/libc10.so",
    "torch/lib/libgomp.so.1",
    "nvidia/cu13/lib/libcudart.so.13",
    "nvidia/cu13/lib/libcupti.so.13",
}
# Needed by Python alone.
PYTHON_LIBRARIES = {"torch/lib/libtorch_python.so", "torch/lib/libshm.so"}
BLOCK = 1 << 20


def place(mode, wheel, name):
    """Where a member of a wheel goes, or None if it is not needed."""
    path = pathlib.PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        sys.exit(f"{wheel}: member {name} points outside; this is not the wheel that was meant")
    package = wheel.split("-")[0]
    if len(path.parts) > 1 and path.parts[0].endswith(".dist-info"):
        wanted = path.parts[1] in ("licenses", "LICENSE", "NOTICE", "License.txt")
        licence = f"licenses/{package}/{path.name}" if wanted else None
        return licence if mode == "cpu" or licence is None else f"torch/{licence}"
    if mode == "cpu":
        if name in CPU_LIBRARIES:
            return f"lib/{path.name}"
        return name[len("torch/") :] if name.startswith("torch/include/") else None
    if name.startswith("torch/include/"):
        return name
    if name.startswith("torch/lib/"):
        return name if name not in PYTHON_LIBRARIES and ".so" in path.name else None
    # nvidia/cu13/lib/libcublas.so.13 and the like; static libraries and headers serve compilers alone.
    if path.parts[0] == "nvidia" and "lib" in path.parts and ".so" in path.name:
        return name
    return None


def write(target, source):
    """Copies a stream to a file that is on the disk when this returns, and gives its SHA-256."""
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with open(target, "xb") as out:
        while block := source.read(BLOCK):
            digest.update(block)
            out.write(block)
        out.flush()
        os.fsync(out.fileno())
    return digest.hexdigest()


def main():
    mode, wheels, target = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    home = target if mode == "cpu" else target / "torch"
    sums, seen = {}, set()
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            for member in archive.infolist():
                goal = None if member.is_dir() else place(mode, wheel.name, member.filename)
                if goal is None:
                    continue
                with archive.open(member) as source:
                    digest = write(target / goal, source)
                seen.add(member.filename)
                if ".so" in pathlib.PurePosixPath(goal).name:
                    sums[os.path.relpath(target / goal, home)] = digest
    if missing := CPU_LIBRARIES - seen:
        sys.exit(f"the wheels in {wheels} lack {', '.join(sorted(missing))}")
    if mode == "cpu":
        (home / "lib" / "libtorch.so").write_text("INPUT(libtorch_cpu.so)\n")
    (home / "SHA256SUMS").write_text("".join(f"{sums[path]}  {path}\n" for path in sorted(sums)))
    (home / "build-version").write_text(VERSION + "\n")


if __name__ == "__main__":
    try:
        main()
    except (OSError, zipfile.BadZipFile) as error:
        sys.exit(str(error))
