"""Damaged and hostile .npz and .npy files. What is read must be what was written, or it is refused."""

import json
import os
import zipfile

from . import arrays
from .kinds import Kind
from .room import DATA

MEMBERS = [f"{split}_{part}.npy" for split in ("train", "val", "test") for part in ("images", "labels")]
IMAGES = [name for name in MEMBERS if "images" in name]


class Files(Kind):
    about = (
        "damaged and hostile .npz and .npy: flipped bits, cut ends, brackets, huge shapes, wrong types, bombs, sparse giants"
    )

    def prepare(self):
        self.path = self.lab.data / "breastmnist.npz"
        self.bytes, self.members = self.path.read_bytes(), arrays.members(self.path)
        self.stats = self.facts(self.lab.must(self.lab.folder, *self.stats_of(self.path)).stdout)

    @staticmethod
    def stats_of(path):
        return ["data", "stats", path, "--open-test-labels", "--json"]

    def facts(self, text):
        """What the program says of the pixels and labels of a file."""
        return json.dumps(without_places(json.loads(text)), sort_keys=True)

    def cases(self):
        return [
            *(["damage"] * 4),
            "header",
            "header",
            "header",
            "header",
            "labels",
            "npy",
            "npy",
            "npy labels",
            "bomb",
            "shrunk",
            "sparse",
            "names",
            "one of many",
            "types",
        ]

    def attack(self, room, case):
        getattr(self, case.replace(" ", "_"))(room)

    # ---- damage of a good file ----

    def damage(self, room):
        """Flips, cuts and splices: the file is refused, or read as it was."""
        content, what = damaged(bytearray(self.bytes), room.random)
        path = room.work / "breastmnist.npz"
        path.write_bytes(content)
        with room.attack(f"{what}; stats") as attack:
            outcome = attack.run(*self.stats_of(path), codes={0, DATA}, names=[path.name])
            if outcome.code == 0:
                attack.demand(self.facts(outcome.stdout) == self.stats, "the damage was not seen, and other figures came out")
        command = room.random.choice(self.readers(room, path))
        with room.attack(f"{what}; {command[0]} {command[1]}") as attack:
            attack.run(*command, codes={0, DATA}, names=[path.name, "breastmnist"])

    def readers(self, room, path):
        """Commands that read a set."""
        return [
            ["data", "verify", path],
            ["data", "info", path],
            ["data", "audit", path, "--near", "off"],
            ["data", "datasheet", path],
            ["data", "montage", path, "--out", room.work / "sheet.png", "--overwrite"],
            ["data", "export", path, "--out", room.work / "exported", "--overwrite"],
            ["data", "stats", path, "--memory", "10kB", "--cache", room.work / "cache"],
            [
                "train",
                self.lab.config,
                "--data",
                path.parent,
                "--runs",
                room.work / "runs",
                "--set",
                "tasks=['breastmnist']",
                "--quiet",
            ],
        ]

    def refused(self, room, what, path, codes=frozenset({DATA}), commands=None):
        """That every reader refuses a file."""
        readers = self.readers(room, path)
        for command in commands or [readers[1], room.random.choice(readers)]:
            with room.attack(f"{what}; {' '.join(map(str, command[:2]))}") as attack:
                # Some describe what they find, and that may be no error.
                allowed = codes | {0} if command[1] in ("info", "verify") else codes
                attack.run(*command, codes=allowed, names=[path.name, "breastmnist"])

    # ---- hostile members of a good archive ----

    def header(self, room):
        what, content = room.random.choice(list(arrays.hostile_headers(room.random)))
        self.replaced(room, f"{what} in images", room.random.choice(IMAGES), content)

    def labels(self, room):
        what, content = room.random.choice(list(arrays.hostile_headers(room.random)))
        self.replaced(room, f"{what} in labels", "train_labels.npy", content)

    def types(self, room):
        count = len(self.members["train_labels.npy"][128:])
        dtype, size = room.random.choice((("<f8", 8), ("<f2", 2), ("<u8", 8), ("<i8", 8), ("|b1", 1), ("|i1", 1)))
        value = room.random.choice(
            (bytes([255] * size), bytes([0] * (size - 1) + [0x7F]), bytes([0, 0x7E] * (size // 2 + 1))[:size])
        )
        content = arrays.array(dtype, (count, 1), value * count)
        self.replaced(room, f"labels of type {dtype} with the bytes {value.hex()}", "train_labels.npy", content)

    def replaced(self, room, what, member, content):
        path = room.work / "breastmnist.npz"
        path.write_bytes(arrays.archive(self.members | {member: content}, zipfile.ZIP_STORED))
        self.refused(room, what, path, codes=frozenset({0, DATA}) if member == "train_labels.npy" else frozenset({DATA}))

    def names(self, room):
        """Members that are called what no file should be."""
        name = room.random.choice(
            (
                "../../escape.npy",
                "/etc/escape.npy",
                "train_images",
                "\x1b[2Jclear.npy",
                "x" * 60_000 + ".npy",
                "train_images.npy/",
                "train\x00images.npy",
                "\u202eyp.npy",
            )
        )
        contents = {key: value for key, value in self.members.items() if key != "train_images.npy"} | {
            name: self.members["train_images.npy"]
        }
        path = room.work / "breastmnist.npz"
        path.write_bytes(arrays.archive(contents))
        self.refused(room, f"a member called {name[:40]!r}", path, codes=frozenset({0, DATA}))

    def one_of_many(self, room):
        """Many members, and one name many times."""
        path = room.work / "breastmnist.npz"
        count = room.random.choice((1_000, 60_000))
        same = room.random.random() < 0.5
        entries = [("train_images.npy" if same else f"member-{index}.npy", b"", 0, 0, 0) for index in range(count)]
        path.write_bytes(arrays.raw_archive(entries))
        self.refused(room, f"{count} members, {'all of one name' if same else 'none of the set'}", path)

    def bomb(self, room):
        """A member that says it is small, or is what it says, and unpacks to a gigabyte of zeros."""
        start = arrays.header(arrays.dictionary("'|u1'", (40, 28, 28)))
        honest = room.random.random() < 0.5
        size = 1 << 30
        if honest:
            start = arrays.header(arrays.dictionary("'|u1'", (size // 784, 28, 28)))
        packed, checksum = arrays.deflate_zeros(start, size)
        claim = len(start) + size if honest else len(start) + 40 * 784
        rest = [
            (name, content, 0, arrays.zlib.crc32(content), len(content))
            for name, content in self.members.items()
            if name != "train_images.npy"
        ]
        path = room.work / "breastmnist.npz"
        path.write_bytes(arrays.raw_archive([("train_images.npy", packed, 8, checksum, claim), *rest]))
        what = "a gigabyte of zeros in " + ("an honest" if honest else "a lying") + f" member of {len(packed)} bytes"
        # A gigabyte of images that says so may be read, by its rows; nobody has labels for them.
        self.refused(
            room,
            what,
            path,
            commands=[
                ["data", "stats", path, "--memory", "256MiB", "--cache", room.work / "cache"],
                ["data", "info", path, "--memory", "256MiB", "--cache", room.work / "cache"],
            ],
        )

    def shrunk(self, room):
        """Fewer rows or bytes than the header says."""
        content = self.members["train_images.npy"]
        cut = room.random.randrange(len(content))
        self.replaced(room, f"images of {len(content)} bytes cut after {cut}", "train_images.npy", content[:cut])

    def sparse(self, room):
        """A giant that takes no room on the disk: nothing is held in memory on its word."""
        path = room.work / "breastmnist.npz"
        start = room.random.choice((b"", self.bytes, arrays.header(arrays.dictionary("'|u1'", (3_000_000, 28, 28)))))
        path.write_bytes(start)
        os.truncate(path, 3 << 30)
        self.refused(room, f"a sparse file of 3 GiB that begins with {start[:6]!r}", path)

    # ---- scores and labels in .npy ----

    def npy(self, room):
        what, content = room.random.choice([*arrays.hostile_headers(room.random), *score_files(room.random)])
        path = room.work / "scores.npy"
        path.write_bytes(content)
        if "sparse" in what:
            os.truncate(path, 3 << 30)
        with room.attack(f"{what}; score") as attack:
            attack.run("score", path, "--task", "breastmnist", "--data", self.lab.data, codes={DATA}, names=[path.name])

    def npy_labels(self, room):
        what, content = room.random.choice(list(arrays.hostile_headers(room.random)))
        scores, labels = room.work / "scores.npy", room.work / "labels.npy"
        scores.write_bytes(arrays.array("<f8", (40, 2), bytes(8 * 80)))
        labels.write_bytes(content)
        with room.attack(f"{what} as labels; score") as attack:
            attack.run(
                "score",
                scores,
                "--task",
                "breastmnist",
                "--labels",
                labels,
                "--any-scores",
                codes={DATA},
                names=[labels.name, scores.name],
            )
        with room.attack(f"{what} as images; import") as attack:
            attack.run(
                "data",
                "import",
                "mine",
                labels,
                "--labels",
                scores,
                "--data",
                room.work / "out",
                codes={DATA},
                names=[labels.name],
            )


def score_files(random):
    """Scores that are too many, too long, or no numbers."""
    rows = random.choice((39, 40, 41))
    yield "scores that are not finite", arrays.array("<f8", (40, 2), b"\x00" * 6 + b"\xf0\x7f" + bytes(8 * 79))
    yield "a hundred megabytes of scores", arrays.array("<f8", (12_500_000,), bytes(100_000_000))
    yield "as many columns as fit", arrays.array("|u1", (1, 50_000_000), bytes(50_000_000))
    yield "a sparse giant", arrays.header(arrays.dictionary("'<f8'", (400_000_000,)))
    yield f"{rows} rows cut short", arrays.array("<f4", (rows, 2), bytes(4 * rows))


def damaged(content, random):
    """A file with a few accidents, and which."""
    kind = random.choice(("bits", "bits", "byte", "cut", "head", "hole", "splice", "tail", "end"))
    size = len(content)
    if kind == "bits":
        # Headers, the directory and the members alike.
        places = [
            random.choice((random.randrange(size), random.randrange(200), size - 1 - random.randrange(700)))
            for _ in range(random.randint(1, 3))
        ]
        for place in places:
            content[place] ^= 1 << random.randrange(8)
        return content, f"bits flipped at {places}"
    place = random.randrange(size)
    length = random.randint(1, 3000)
    if kind == "byte":
        content[place] = random.choice((0, 0xFF, 0x80, 0x0A))
        return content, f"byte {place} set"
    if kind == "cut":
        return content[:place], f"cut after {place} bytes"
    if kind == "head":
        return content[length:], f"the first {length} bytes gone"
    if kind == "hole":
        content[place : place + length] = bytes(len(content[place : place + length]))
        return content, f"{length} zeros at {place}"
    if kind == "splice":
        other = random.randrange(size)
        content[place : place + length] = content[other : other + length]
        return content, f"{length} bytes of {other} at {place}"
    if kind == "tail":
        return content + random.randbytes(length), f"{length} bytes more"
    place = max(0, size - random.randint(1, 800))
    content[place:] = random.randbytes(size - place)
    return content, f"the last {size - place} bytes overwritten"


def without_places(value):
    """A document without what depends on where a file lies and how large it is."""
    if isinstance(value, dict):
        return {
            key: without_places(item) for key, item in value.items() if key not in ("path", "file", "bytes", "md5", "sha256")
        }
    return [without_places(item) for item in value] if isinstance(value, list) else value
