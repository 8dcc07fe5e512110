"""Hostile experiments: what is no experiment is refused by its file and key, at once."""

import os

from .kinds import Kind
from .lab import CONFIG
from .room import DATA, DISK, DIVERGED, SECRET, USAGE

# Keys that take a number, with what a number must not be. Sizes that no machine has memory for are refused before anything is taken.
NUMBERS = (
    "optimizer.learning_rate",
    "optimizer.weight_decay",
    "schedule.warmup",
    "train.epochs",
    "train.batch_size",
    "average.decay",
    "train.threads",
    "train.replicas",
    "net.dropout",
    "net.backbone.width",
    "sampler.alpha",
    "sampler.samples_per_epoch",
    "loss.label_smoothing",
    "loss.class_weight_power",
    "data.size",
    "augment.workers",
    "augment.prefetch",
    "stop.patience",
    "train.predict_batch_size",
    "train.max_bad_steps",
)
VALUES = (
    "1e-320",
    "5e-324",
    "-1e-310",
    "nan",
    "inf",
    "-inf",
    "-1",
    "-0.0",
    "1e308",
    "9223372036854775807",
    "99999999999999999999",
    "0x7fffffffffffffff",
    "''",
    "[]",
    "{}",
    "true",
    "1979-05-27",
)
# Of these, some are in the range of some keys.
POSSIBLE = ("-0.0", "1e308", "9223372036854775807", "0x7fffffffffffffff")
NAMES = (
    "-x",
    "--help",
    "CON",
    "nul",
    "COM1.txt",
    "..",
    ".",
    "",
    "a/b",
    "/tmp/x",
    "a\\\\b",
    "a\\u0000b",
    "a\\u001b[2Jb",
    "a\\nb",
    " ",
    "a ",
    "x" * 300,
    ".hidden",
    "\u202egnp",
    "~",
    "$HOME",
    "a:b",
    "con.json",
    "aux",
)
PATHS = ("FIFO", "directory", "device", "link", "itself", "circle", "ladder", "missing", "giant", "outside", "long")


class Configs(Kind):
    about = "hostile TOML: huge, deep, cycles and FIFOs in extends, denormals, impossible sizes, names"

    def cases(self):
        return [
            *(["number"] * 8),
            *(["name"] * 4),
            *(["extends"] * 8),
            "run_name",
            "huge",
            "huge",
            "deep",
            "deep",
            "noise",
            "noise",
            "tasks",
            "override",
            "policy",
            "bytes",
        ]

    def attack(self, room, case):
        self.path = room.work / "hostile.toml"
        getattr(self, case)(room)

    def training(self, room):
        """The command that trains it."""
        return ("train", self.path, "--data", self.lab.data, "--runs", room.work / "runs", "--quiet")

    def tried(self, room, what, text, codes=frozenset({USAGE}), more=(), names=("hostile",)):
        """Shows it and trains it."""
        if text is not None:
            self.path.write_bytes(text if isinstance(text, bytes) else text.encode())
        with room.attack(f"{what}; config show") as attack:
            shown = attack.run("config", "show", self.path, *more, codes={0, *codes}, names=names)
        with room.attack(f"{what}; train") as attack:
            attack.run(*self.training(room), *more, codes=codes, names=names)
        return shown

    def number(self, room):
        key, value = room.random.choice(NUMBERS), room.random.choice(VALUES)
        table, _, name = key.rpartition(".")
        text = CONFIG.replace("seeds = [0, 1]", "seeds = [0]")
        more = ("--set", f"{key}={value}", "--set", "train.epochs=1") if key != "train.epochs" else ("--set", f"{key}={value}")
        # What is taken must then train to its end, or fail for its own documented reason.
        codes = {0, USAGE, DATA, DISK, DIVERGED} if value in POSSIBLE else {USAGE}
        self.tried(
            room, f"{key} = {value}", text, codes=codes, more=more, names=(name, table, "hostile", "memory", "loss", "data")
        )

    def name(self, room):
        name = room.random.choice(NAMES)
        text = CONFIG.replace("name = 'tiny'", f'name = "{name}"', 1)
        self.tried(room, f"name = {name[:20]!r}", text, names=("name",))

    def run_name(self, room):
        name = room.random.choice([name for name in NAMES if "\\u" not in name and "\\n" not in name] + ["a\nb", "\x1b[2J"])
        self.path.write_text(CONFIG)
        with room.attack(f"train --name={name[:20]!r}") as attack:
            attack.run(*self.training(room), f"--name={name}", codes={USAGE}, names=("name",))

    def extends(self, room):
        kind = room.random.choice(PATHS)
        target = room.work / "base.toml"
        path = "base.toml"
        if kind == "FIFO":
            os.mkfifo(target)
        elif kind == "directory":
            target.mkdir()
        elif kind == "device":
            path = room.random.choice(("/dev/zero", "/dev/tty", "/dev/stdin", "/dev/random"))
        elif kind == "link":
            target.symlink_to(room.elsewhere / "file")
        elif kind == "itself":
            path = "hostile.toml"
        elif kind == "circle":
            target.write_text("extends = 'hostile.toml'\n")
        elif kind == "ladder":
            for index in range(200):
                (room.work / f"base{index or ''}.toml").write_text(f"extends = 'base{index + 1}.toml'\n")
        elif kind == "giant":
            target.touch()
            os.truncate(target, 3 << 30)
        elif kind == "outside":
            path = os.path.relpath(room.elsewhere / "file", room.work)
        elif kind == "long":
            path = "x" * 5000
        with room.attack(f"extends: {kind}") as attack:
            self.path.write_text(f"extends = '{path}'\n{CONFIG}")
            # A file that it names itself may be shown where it is wrong; a link's target may not.
            shows = kind == "outside"
            outcome = attack.start(*self.training(room))
            ended = outcome.wait()
            ended.stderr = ended.stderr.replace(SECRET, "") if shows else ended.stderr
            attack.check(ended, outcome.limits, {USAGE}, names=("base", "hostile", path[:20], os.path.basename(path)))

    def huge(self, room):
        """Files of many megabytes: of keys, of one string, of a sparse nothing."""
        what = room.random.choice(("keys", "tables", "string", "array", "comment", "sparse", "tasks"))
        count = room.random.choice((100_000, 400_000))
        text = (
            CONFIG
            + {
                "keys": "".join(f"key{index} = {index}\n" for index in range(count)),
                "tables": "".join(f"[table{index}]\n" for index in range(count)),
                "string": f"long = '{'x' * count * 100}'\n",
                "array": f"long = [{'0,' * count * 10}]\n",
                "comment": f"#{'x' * count * 100}\n",
                "sparse": "",
                "tasks": "",
            }[what]
        )
        if what == "tasks":
            text = text.replace("tasks = [", f"tasks = [{', '.join(repr(f'task{index}') for index in range(count))}, ", 1)
        self.path.write_text(text)
        if what == "sparse":
            os.truncate(self.path, 3 << 30)
        codes = {0, USAGE} if what == "comment" else {USAGE}
        self.tried(room, f"many megabytes: {what}", None, codes=codes, names=("hostile", "tasks", "long"))

    def deep(self, room):
        what, depth = room.random.choice(("arrays", "tables", "dots", "inline", "open")), room.random.choice(
            (200, 5_000, 100_000)
        )
        text = (
            CONFIG
            + {
                "arrays": f"deep = {'[' * depth}{']' * depth}\n",
                "open": f"deep = {'[' * depth}\n",
                "tables": f"[{'.'.join('a' * depth)}]\n",
                "dots": f"{'.'.join('a' * depth)} = 1\n",
                "inline": f"deep = {'{a=' * depth}1{'}' * depth}\n",
            }[what]
        )
        self.tried(room, f"{depth} levels of {what}", text)

    def noise(self, room):
        """A good config with a few accidents. It may still be one."""
        text = bytearray(CONFIG.replace("seeds = [0, 1]", "seeds = [0]").encode())
        for _ in range(room.random.randint(1, 3)):
            place = room.random.randrange(len(text))
            text[place : place + room.random.randint(0, 2)] = room.random.choice(
                (b"\xff", b"\x00", b"'", b"[", b"]", b"=", b"\r", b"\n", b"9", b"-", b"", b"\x1b")
            )
        self.tried(
            room,
            f"accidents: {bytes(text)!r:.60}",
            bytes(text),
            codes={0, USAGE, DATA},
            names=("hostile", "seeds", "tasks", "name", "mnist", "folder"),
        )

    def bytes(self, room):
        start = room.random.choice((b"\xff\xfe", b"\xef\xbb\xbf", b"\x00", b"\x1b[2J", b"PK\x03\x04", b"\x80" * 40))
        codes = {0, USAGE} if start == b"\xef\xbb\xbf" else {USAGE}
        self.tried(room, f"a file that begins with {start[:4]!r}", start + CONFIG.encode(), codes=codes)

    def tasks(self, room):
        task = room.random.choice(
            (
                "../../etc/passwd",
                "/dev/zero",
                "breastmnist\\u0000",
                "\\u001b[2J",
                "",
                "x" * 100_000,
                "breastmnist",
                "breastmnist.npz",
                ".",
            )
        )
        text = CONFIG.replace("tasks = ['breastmnist', 'retinamnist']", f'tasks = ["breastmnist", "{task}"]', 1)
        self.tried(room, f"the task {task[:20]!r}", text, codes={USAGE, DATA}, names=("task", "hostile"))

    def override(self, room):
        value = room.random.choice(
            (
                "",
                "=",
                "a",
                "a.b.c.d=1",
                "net=1",
                "train.epochs=[" + "[" * 5000,
                "name='\x1b[2J'",
                "x" * 50_000 + "=1",
                "=".join("a" * 1000),
                "tasks=" + "['a']" * 100,
                "\x1b[2J=1",
                "extends='/dev/zero'",
            )
        )
        self.tried(
            room,
            f"--set {value[:20]!r}",
            CONFIG,
            more=("--set", value),
            names=("--set", value[:10], "hostile", "epochs", "name", "net"),
        )

    def policy(self, room):
        step = room.random.choice(
            (
                "type = 'affine', degrees = 1e300",
                "type = 'affine', scale = [5e-324, 1e-320]",
                "type = 'affine', scale = [0.0, 0.0]",
                "type = 'affine', translate = nan",
                "type = 'nothing'",
                "type = 'colour_jitter', brightness = inf",
                "type = 'affine', scale = [1e300, 1e308]",
            )
        )
        text = CONFIG + f"[augment.policies.breastmnist]\nsteps = [{{ {step} }}]\n"
        self.tried(room, f"a policy with {step}", text, names=("augment", "polic", "step"))
