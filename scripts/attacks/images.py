"""Hostile pictures, names and lists, against `medley data import`."""

import os

from . import pictures
from .kinds import Kind
from .room import DATA, DISK, USAGE

# The rest of a folder is fine: one bad picture is named, or left out when that is asked for.
GOOD = 12
NAMES = (
    b"\x1b[2J.png",
    b"a\nb.png",
    b"\xff\xfe\xfd.png",
    b"a\rb.png",
    b"\x07bell.png",
    b"\xc2\x9b2J.png",
    b"-o.png",
    b"x" * 250 + b".png",
    b'a,b"c.png',
    b"=1+1.png",
    b" .png",
    b"..png",
    "\u202egnp.png".encode(),
)


class Images(Kind):
    about = (
        "picture bombs (PNG, TIFF, GIF, profiles), cut pictures, names with control characters, giant lists; for data import"
    )

    def cases(self):
        return [
            *(["hostile"] * 14),
            *(["damaged"] * 6),
            *(["name"] * 4),
            "kind",
            "kind",
            "kind",
            "many",
            "list",
            "list",
            "list",
            "cell",
        ]

    def attack(self, room, case):
        self.folder = room.work / "pictures"
        for index in range(GOOD):
            place = self.folder / ("a" if index % 2 else "b")
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{index}.png").write_bytes(pictures.grey(level=index * 20))
        getattr(self, case)(room)

    def imported(self, room, what, codes, names, source=None, more=(), limits=None):
        """Imports; what was not, left nothing."""
        with room.attack(f"{what}; import {' '.join(more)}".rstrip(), limits) as attack:
            target = room.work / "data"
            outcome = attack.run(
                "data", "import", "mine", source or self.folder, "--data", target, *more, codes=codes, names=names
            )
            there = sorted(os.listdir(target)) if target.exists() else []
            if outcome.code == 0:
                attack.demand({"mine.npz", "mine.toml"} <= set(there), f"imported, but there are {there}")
                # It can be used, and it is removed for the next one.
                attack.run("data", "stats", "mine", "--data", target, codes={0})
                attack.run(
                    "data", "montage", "mine", "--data", target, "--out", room.work / "sheet.png", "--overwrite", codes={0}
                )
                for name in there:
                    (target / name).unlink()
            else:
                attack.demand(not there, f"not imported, but there are {there}")

    def bad(self, room, what, name, content):
        """One bad picture among good ones: refused by its name, and left out when that is asked for."""
        path = os.fsencode(self.folder / "a") + b"/" + name
        with open(path, "wb") as file:
            file.write(content)
        # Bytes that no terminal should get are written another way; the ending stays.
        shown = name.decode("utf-8", "replace")
        names = [shown if shown.isprintable() else shown[-4:]]
        self.imported(room, what, {0, DATA}, names)
        self.imported(room, what, {0, DATA}, names, more=["--skip-unreadable"])

    def hostile(self, room):
        what, ending, make = room.random.choice(pictures.hostile(room.random))
        self.bad(room, what, f"hostile.{ending}".encode(), make())

    def damaged(self, room):
        """A good picture with an accident."""
        content = bytearray(
            room.random.choice(
                (
                    pictures.grey(),
                    pictures.tiff(28, 28, bytes(784), compression=1),
                    pictures.bmp(28, 28, bytes(28 * 28 * 3)),
                    pictures.gif(28, 28, 2),
                )
            )
        )
        if room.random.random() < 0.5:
            del content[room.random.randrange(len(content)) :]
        for _ in range(room.random.randint(1, 4)):
            if content:
                content[room.random.randrange(min(len(content), 200))] = room.random.randrange(256)
        ending = {b"\x89": "png", b"I": "tiff", b"B": "bmp", b"G": "gif"}.get(bytes(content[:1]), "png")
        self.bad(room, "an accident in a picture", f"damaged.{ending}".encode(), bytes(content))

    def name(self, room):
        """Names that a terminal acts on, or a list breaks on: the picture itself is fine, or is not."""
        name = room.random.choice(NAMES)
        content = room.random.choice((pictures.grey(), b"no picture"))
        self.bad(room, f"a picture called {name[:20]!r}", name, content)

    def kind(self, room):
        """What is no regular file stands among the pictures."""
        path = self.folder / "a/odd.png"
        what = room.random.choice(
            ("FIFO", "device", "link to nothing", "link in a circle", "link to a device", "sparse giant", "folder")
        )
        if what == "FIFO":
            os.mkfifo(path)
        elif what == "device" and os.geteuid() == 0:
            os.mknod(path, 0o20666, os.makedev(1, 5))
        elif what == "link to nothing":
            path.symlink_to("nothing.png")
        elif what == "link in a circle":
            (self.folder / "a/circle").symlink_to("..")
        elif what == "sparse giant":
            path.touch()
            os.truncate(path, 3 << 30)
        elif what == "folder":
            path.mkdir()
        else:
            path.symlink_to("/dev/zero")
        self.imported(room, f"{what} among the pictures", {0, DATA, DISK}, ["odd.png", "circle"])

    def many(self, room):
        """All bad: the list of what is wrong stays short."""
        for index in range(3_000):
            (self.folder / f"a/bad-{'x' * 100}-{index}.png").write_bytes(b"no picture")
        self.imported(room, "3,000 bad pictures", {DATA}, ["bad-"])

    def list(self, room):
        """A CSV that is larger, wider or longer than any list of pictures."""
        what = room.random.choice(
            (
                "forty thousand rows",
                "a million rows of nothing",
                "a line without end",
                "a million columns",
                "a sparse giant",
                "a quote that never ends",
                "rows outside the folder",
                "NUL bytes",
            )
        )
        path = room.work / "list.csv"
        with open(path, "w", encoding="utf-8") as file:
            file.write("path,label\n" if what != "a million columns" else "path,label" + ",x" * 1_000_000 + "\n")
            if what == "forty thousand rows":
                file.writelines("pictures/a/1.png,a\npictures/b/0.png,b\n" for _ in range(20_000))
            elif what == "a million rows of nothing":
                file.writelines(f"pictures/a/none-{index}.png,a\n" for index in range(1_000_000))
            elif what == "a line without end":
                file.writelines("x" * (1 << 20) for _ in range(100))
            elif what == "a quote that never ends":
                file.write('"pictures/a/1.png,a\n' + "pictures/b/0.png,b\n" * 500_000)
            elif what == "rows outside the folder":
                file.write("../elsewhere/file,a\npictures/b/0.png,b\n")
            elif what == "NUL bytes":
                file.write("pictures/a/1.png\x00,a\x1b[2J\npictures/b/0.png,b\n")
        if what == "a sparse giant":
            os.truncate(path, 3 << 30)
        self.imported(room, f"a list: {what}", {0, DATA, USAGE}, [path.name, "file", "1.png"], source=path)

    def cell(self, room):
        """One cell of many megabytes is not repeated in a message."""
        which = room.random.choice(("path", "label"))
        cell = room.random.choice(("x", "\x1b[2J", "\u202e")) * (10 << 20)
        row = f"{cell},a" if which == "path" else f"pictures/a/1.png,{cell}"
        path = room.work / "list.csv"
        path.write_text(f"path,label\n{row}\npictures/b/0.png,b\n", encoding="utf-8")
        self.imported(room, f"a {which} of many megabytes", {DATA}, [path.name], source=path)
