"""What the attacks of one call share: the program, a folder of its own, small data sets, a finished run."""

import contextlib
import functools
import os
import pathlib
import shutil
import subprocess
import tempfile

from .process import Limits, Process

ROOT = pathlib.Path(__file__).resolve().parents[2]
TASKS = ("breastmnist", "retinamnist")
# Seconds on one core, and the same bits in every process: nothing is left to calibration.
CONFIG = """name = 'tiny'
tasks = ['breastmnist', 'retinamnist']
seeds = [0, 1]
[net]
backbone = { name = 'resnet9', width = 4 }
dropout = 0.2
[train]
epochs = 2
batch_size = 16
threads = 1
precision = 'fp32'
memory_layout = 'channels_last'
"""
# The files of a run whose bits are promised: the rest holds times of day, or says where it was made.
PROMISED = ("checkpoints", "predictions", "results", "metrics.csv", "config.toml", "submission")


class Unusable(Exception):
    """There is nothing to attack, or no way to."""


def find_program(given):
    """The program that was named, else MEDLEY_BIN, else the newest one that cargo built."""
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    if given or os.environ.get("MEDLEY_BIN"):
        program = pathlib.Path(given or os.environ["MEDLEY_BIN"])
    else:
        built = [path for path in (target / "release/medley", target / "debug/medley") if path.is_file()]
        if not built:
            raise Unusable("medley is not built: cargo build --bins, or name it with --bin")
        program = max(built, key=lambda path: path.stat().st_mtime)
    if not os.access(program, os.X_OK):
        raise Unusable(f"{program} cannot be run")
    return program.resolve()


def promised(run):
    """The promised files of a run by their path, with their bytes."""
    files = (path for path in sorted(run.rglob("*")) if path.is_file() and not path.is_symlink())
    named = ((str(path.relative_to(run)), path) for path in files)
    return {name: path.read_bytes() for name, path in named if name.startswith(PROMISED)}


class Lab:
    """Made once; `close` takes everything away again."""

    def __init__(self, program, seed):
        self.program, self.seed, self.works = program, seed, {}
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="medley-attack-"))
        keep = {"PATH", "LD_LIBRARY_PATH", "LANG", "TMPDIR", "CUDA_VISIBLE_DEVICES"}
        self.environment = {key: value for key, value in os.environ.items() if key in keep}
        home = self.folder / "home"
        home.mkdir()
        self.environment |= {"HOME": str(home), "COLUMNS": "100", "NO_COLOR": "1", "OMP_NUM_THREADS": "1"}

    def close(self, keep):
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)

    def must(self, folder, *arguments):
        """Runs the program where it has to succeed."""
        outcome = Process([self.program, *arguments], folder, self.environment, Limits(cpu=600, wall=900)).wait()
        if outcome.code != 0:
            command = " ".join(map(str, arguments))
            raise Unusable(f"medley {command} failed before anything was attacked: {outcome.last_words(600)}")
        return outcome

    @functools.cached_property
    def data(self):
        """A folder with two small synthetic sets, one with two classes, one ordinal."""
        folder = self.folder / "data"
        self.must(self.folder, "data", "synth", *TASKS, "--out", folder, "--rows", "40")
        return folder

    @functools.cached_property
    def config(self):
        path = self.folder / "tiny.toml"
        path.write_text(CONFIG)
        return path

    @functools.cached_property
    def run(self):
        """A finished run that nobody disturbed. Copy it."""
        self.must(
            self.folder, "train", self.config, "--data", self.data, "--runs", self.folder / "runs", "--name", "tiny", "--quiet"
        )
        return self.folder / "runs/tiny"

    @functools.cached_property
    def pictures(self):
        """A folder of small pictures in two class folders."""
        exported = self.folder / "exported"
        self.must(self.folder, "data", "export", "breastmnist", "--data", self.data, "--out", exported)
        folder = self.folder / "pictures"
        for index, path in enumerate(sorted((exported / "breastmnist").iterdir())[:24]):
            place = folder / ("benign" if index % 2 else "malignant")
            place.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place / path.name)
        return folder

    @functools.cached_property
    def published(self):
        """The published breastmnist.npz where there is one: MEDLEY_DATA, else ../shared/medmnist."""
        folder = pathlib.Path(os.environ.get("MEDLEY_DATA") or ROOT.parent / "shared/medmnist")
        path = folder / "breastmnist.npz"
        return path if path.is_file() else None

    @functools.cached_property
    def can_mount(self):
        """Whether a tmpfs can be mounted here."""
        if os.geteuid() != 0 or not shutil.which("mount"):
            return False
        place = self.folder / "mount"
        place.mkdir()
        with contextlib.suppress(OSError, subprocess.CalledProcessError), small_disk(place, 1 << 20):
            return True
        return False


@contextlib.contextmanager
def small_disk(place, size):
    """A tmpfs of `size` bytes at `place`."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", place], check=True, capture_output=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True, capture_output=True)


def grow_disk(place, size):
    """Gives it more room."""
    subprocess.run(["mount", "-o", f"remount,size={size}", place], check=True, capture_output=True)
