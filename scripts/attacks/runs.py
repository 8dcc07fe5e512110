"""Hostile run folders. What a run folder holds may come from anybody: it is read as files of the folder, or it is refused."""

import json
import os
import re
import shutil
import signal

from .kinds import Kind
from .lab import promised
from .process import Limits, Process
from .room import DATA, DISK, USAGE

FILES = (
    "config.toml",
    "manifest.json",
    "results.json",
    "events.jsonl",
    "metrics.csv",
    "report.html",
    "submission*",
    "run.lock",
    "results/seed-0.json",
    "predictions/*test*.csv",
    "checkpoints/seed-0/best-*/*.json",
    "checkpoints/seed-0/best-*/*.safetensors",
)
FOLDERS = ("predictions", "checkpoints", "checkpoints/seed-0", "checkpoints/seed-0/best-*", "results", "tb", "tb/seed-0")
INSTEAD = (
    "FIFO",
    "device",
    "directory",
    "link outside",
    "link to nothing",
    "link to itself",
    "link to its copy",
    "sparse giant",
)
WRONG = ("nothing", "another type", "deep", "numbers", "cut", "control characters", "invalid UTF-8", "long line")
DOCUMENTS = {
    "nothing": b"",
    "another type": b"[]",
    "deep": b"[" * 200_000,
    "numbers": b'{"schema": 1e999, "seeds": [-1, 1e40], "epoch": 99999999999999999999}',
    "control characters": b'{"\x1b[2J\x07": "\x9b"}',
    "invalid UTF-8": b"\xff\xfe" * 500,
    "long line": b'{"a": "' + b"x" * (40 << 20) + b'"}',
}


class Runs(Kind):
    about = "FIFO, device, directory or link in place of anything in a run folder, giants, wrong JSON, one digit changed"

    def prepare(self):
        self.run, self.unfinished = self.lab.run, self.stopped()
        self.expected = promised(self.run)

    def stopped(self):
        """A run that was stopped in its second seed, with a finished first."""
        lab, run = self.lab, self.lab.folder / "stopped/tiny"
        command = [lab.program, "train", lab.config, "--data", lab.data, "--runs", run.parent, "--name", run.name, "--quiet"]
        process = Process(command, lab.folder, lab.environment, Limits(cpu=600, wall=900))
        while not process.poll() and not list(run.glob("checkpoints/seed-1/*/state.json")):
            process.wait_until(0)
        process.send(signal.SIGINT)
        process.wait()
        return run

    def cases(self):
        replaced = [("replace", target, instead) for target in (*FILES, *FOLDERS) for instead in INSTEAD]
        wrong = [("document", target, what) for target in FILES if "safetensors" not in target for what in WRONG]
        digits = [
            ("digit", target, "")
            for target in (
                "checkpoints/seed-1/*/*.json",
                "checkpoints/seed-1/*/*.safetensors",
                "config.toml",
                "manifest.json",
                "results/seed-0.json",
                "events.jsonl",
                "metrics.csv",
            )
        ] * 8
        return replaced + wrong + digits + [("renamed", "", ""), ("foreign", "", ""), ("many tasks", "", "")] * 3

    def attack(self, room, case):
        what, target, how = case
        if what == "digit":
            return self.digit(room, target)
        if what in ("renamed", "foreign", "many tasks"):
            return getattr(self, what.replace(" ", "_"))(room)
        finished = room.random.random() < 0.7 or target.startswith(("submission", "report", "results.json"))
        commands = self.commands(room, finished)
        for name in room.random.sample(sorted(commands), 3):
            run = room.work / "tiny"
            shutil.copytree(self.run if finished else self.unfinished, run, symlinks=True)
            found = sorted(run.glob(target))
            if not found:
                raise LookupError(f"a run has no {target}")
            path = room.random.choice(found)
            inside = path.relative_to(run)
            said = replace(room, path, how) if what == "replace" else spoil(path, how)
            with room.attack(f"{said} in place of {inside}; {name}") as attack:
                attack.run(
                    *commands[name],
                    codes={0, DATA, DISK, USAGE} if target == "config.toml" else {0, DATA, DISK},
                    names=[part for part in inside.parts if part != "checkpoints"] + ["tiny"],
                )
            clear(run)
            shutil.rmtree(room.elsewhere / "copy", ignore_errors=True)

    def commands(self, room, finished):
        """Everything that reads a run folder."""
        data = ["--data", self.lab.data]
        every = {
            "report": ["report", "tiny"],
            "report --print": ["report", "tiny", "--print", "markdown"],
            "score": ["score", "tiny", *data],
            "resume": ["resume", "tiny", "--quiet", *data],
            "test": ["test", "tiny", "--quiet", *data],
            "models export": ["models", "export", "tiny", "--out", "weights", *data],
            "submission": ["submission", "tiny"],
            "compare": ["compare", self.run, "tiny", *data],
        }
        return every

    def digit(self, room, target):
        """One digit or bit changed: seen, or without a trace in the results."""
        run = room.work / "tiny"
        shutil.copytree(self.unfinished, run)
        found = sorted(run.glob(target))
        path = room.random.choice(found)
        content = bytearray(path.read_bytes())
        if path.suffix == ".safetensors":
            place = room.random.randrange(len(content))
            content[place] ^= 1 << room.random.randrange(8)
        else:
            place = room.random.choice([match.start() for match in re.finditer(rb"[0-9]", content)])
            content[place] = ord("0") + (content[place] - ord("0") + room.random.randint(1, 9)) % 10
        path.write_bytes(content)
        inside = path.relative_to(run)
        with room.attack(f"byte {place} of {inside} changed; resume") as attack:
            outcome = attack.run(
                "resume",
                "tiny",
                "--quiet",
                "--data",
                self.lab.data,
                codes={0, USAGE, DATA, DISK},
                names=[*inside.parts, "tiny"],
            )
            # Only of what decides how training goes on; the rest is what it was made to say.
            if outcome.code == 0 and inside.parts[0] == "checkpoints":
                changed = [
                    name
                    for name, content in promised(run).items()
                    if content != self.expected.get(name) and name.startswith("predictions")
                ]
                attack.demand(not changed, f"it was not seen, and other results came out: {', '.join(changed[:3])}")

    def renamed(self, room):
        """A stopped run under another name goes on to the same bits, or is refused at once."""
        run = room.work / "another-name"
        shutil.copytree(self.unfinished, run)
        with room.attack("a stopped run is renamed; resume") as attack:
            outcome = attack.run("resume", run, "--quiet", "--data", self.lab.data, codes={0, DISK}, names=[run.name])
            if outcome.code == 0:
                weights = {name: content for name, content in promised(run).items() if name.endswith(".safetensors")}
                attack.demand(
                    all(self.expected.get(name) == content for name, content in weights.items()), "the run has other weights"
                )
            else:
                attack.demand(outcome.cpu < 5, f"it was refused only after {outcome.cpu:.0f} s of work")

    def foreign(self, room):
        """What nobody put there is left alone."""
        run = room.work / "tiny"
        shutil.copytree(self.unfinished, run)
        for place in ("", "checkpoints", "checkpoints/seed-0", "predictions", "results", "tb"):
            (run / place / "notes.txt").write_text("mine")
            (run / place / "a\x1b[2J\n.txt").write_text("mine")
        with room.attack("files of the user lie in every folder; resume") as attack:
            attack.run("resume", "tiny", "--quiet", "--data", self.lab.data, codes={0, DISK})
            gone = [
                place
                for place in ("", "checkpoints", "checkpoints/seed-0", "predictions", "results", "tb")
                if not (run / place / "notes.txt").exists()
            ]
            attack.demand(not gone, f"files of the user are gone from {', '.join(gone)}")

    def many_tasks(self, room):
        """Results of ten thousand tasks: a page, or a refusal, soon."""
        run = room.work / "tiny"
        shutil.copytree(self.run, run)
        results = json.loads((run / "results.json").read_text())
        grow(results, room.random.choice((1_000, 10_000)))
        (run / "results.json").write_text(json.dumps(results))
        for command in (["report", "tiny"], ["report", "tiny", "--print", "latex"]):
            with room.attack(f"results of many tasks; {' '.join(command)}") as attack:
                attack.run(*command, codes={0, DISK}, names=["results.json", "tiny"])


def grow(value, count):
    """Repeats the tasks of a document, with other names."""
    if isinstance(value, list) and value and isinstance(value[0], dict) and "task" in value[0]:
        first = value[0]
        value.extend({**first, "task": f"task{index}"} for index in range(count))
    elif isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            grow(item, count)


def replace(room, path, how):
    """Puts something else in a place, and says what."""
    copy = room.elsewhere / "copy"
    if how == "link to its copy":
        copy.mkdir()
        path.rename(copy / path.name)
        path.symlink_to(copy / path.name)
        return "a link to its copy outside"
    folder = path.is_dir()
    if folder:
        shutil.rmtree(path)
    else:
        path.unlink()
    if how == "FIFO":
        os.mkfifo(path)
    elif how == "device" and os.geteuid() == 0:
        # /dev/zero: it never ends.
        os.mknod(path, 0o20666, os.makedev(1, 5))
    elif how == "directory":
        if folder:
            path.write_text("a file")
            return "a file"
        path.mkdir()
    elif how == "link to nothing":
        path.symlink_to(room.elsewhere / "nothing")
    elif how == "link to itself":
        path.symlink_to(path.name)
    elif how == "sparse giant":
        path.touch()
        os.truncate(path, 3 << 30)
    else:
        path.symlink_to(room.elsewhere / ("folder" if folder else "file"))
        return "a link outside"
    return f"a {how}"


def spoil(path, what):
    """Writes something else into a file."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] if what == "cut" else DOCUMENTS[what])
    return f"what was cut ({what})" if what == "cut" else f"a document ({what})"


def clear(run):
    """A folder, whatever is in it."""
    shutil.rmtree(run)
