"""Full disks. Everything that writes says so with one exit code, leaves nothing half done, and goes on when there is room."""

import contextlib
import errno
import os
import shutil

from .kinds import Kind
from .lab import grow_disk, promised, small_disk
from .room import DISK, snapshot
from .server import Server
from .works import Cache, Datasheet, Export, Import, Montage, Preview, Synth, Train, Weights, Works

ROOMY = 256 << 20
PAGE = 4096


class Disk(Kind):
    about = (
        "a full disk (a tmpfs of random size) under train, synth, import, export, montage, fetch, datasheet, report, weights"
    )

    def prepare(self):
        self.works = Works(self.lab, Train, Synth, Import, Export, Weights, Montage, Preview, Datasheet, Cache)

    def cases(self):
        return ["train", "train", "fetch", *(name for name in self.works if name != "train")]

    def attack(self, room, case):
        if case == "fetch":
            return self.fetch(room)
        work = self.works[case]
        needed = size_of(work.place)
        # Up to a little more than it needs: the last bytes are the ones that are forgotten.
        share = room.random.choice((room.random.random(), room.random.uniform(0.85, 1.1)))
        size = max(PAGE, int(needed * share) // PAGE * PAGE)
        with room.attack(f"{case} on a disk of {size} bytes, of {needed} that it needs") as attack, disk(
            room, size
        ) as place:
            target = place.path / "out"
            outcome = attack.run(*work.command(target), codes={0, DISK}, wrap=place.wrap)
            if case == "train":
                place.make_room()
                attack.run(*work.command(target), codes={0})
                attack.same(work.expected, promised(target), "with more room the run has other bits")
                attack.demand(os.listdir(place.path) == ["out"], f"left in the folder of runs: {os.listdir(place.path)}")
                return
            if outcome.code == DISK:
                attack.demand(is_full(outcome), f"the message does not say that the disk is full: {outcome.last_words()}")
            left = snapshot(target)
            torn = [name for name in left if left[name] != work.expected.get(name)]
            attack.demand(not torn, f"left half written: {', '.join(torn[:5])}")
            place.make_room()
            again = attack.run(*work.command(target), codes={0, DISK})
            if again.code == DISK:
                attack.run(*work.command(target), "--overwrite", codes={0})
            attack.same(work.expected, snapshot(target), "with more room it wrote something else")

    def fetch(self, room):
        """A download has a part, which stays."""
        body = self.lab.published.read_bytes() if self.lab.published else room.random.randbytes(500_000)
        size = room.random.randrange(PAGE, len(body) * 9 // 10) // PAGE * PAGE
        with room.attack(f"fetch on a disk of {size} bytes, of {len(body)} that it needs") as attack, disk(
            room, size
        ) as place, Server(lambda request: request.answer(200, body, etag='"one"', ranges=True)) as server:
            target = place.path / "out"
            fetch = ["data", "fetch", "breastmnist", "--base-url", server.address, "--attempts", "2", "--data", target]
            outcome = attack.run(*fetch, codes={DISK}, names=["breastmnist.npz"], wrap=place.wrap)
            attack.demand(is_full(outcome), f"the message does not say that the disk is full: {outcome.last_words()}")
            attack.demand(not (target / "breastmnist.npz").exists(), "the file is there, and cannot be whole")
            place.make_room()
            if self.lab.published:
                attack.run(*fetch, codes={0})
                attack.demand((target / "breastmnist.npz").read_bytes() == body, "with more room it fetched something else")


def is_full(outcome):
    return any(os.strerror(number).lower() in outcome.text.lower() for number in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT))


def size_of(folder):
    """What it takes on a tmpfs."""
    sizes = (os.lstat(os.path.join(parent, name)).st_size for parent, _, names in os.walk(folder) for name in names)
    return sum((size + PAGE - 1) // PAGE * PAGE for size in sizes) + PAGE


class SmallDisk:
    """A folder in which only so much can be written, as far as the system lets us."""

    def __init__(self, path, size, real):
        self.path, self.real = path, real
        # Bash counts in KiB. With the signal ignored, writing more fails, as on a full disk.
        self.wrap = () if real else ("bash", "-c", f'trap \'\' XFSZ; ulimit -f {size // 1024}; exec "$0" "$@"')

    def make_room(self):
        if self.real:
            grow_disk(self.path, ROOMY)


@contextlib.contextmanager
def disk(room, size):
    path = room.work / "disk"
    path.mkdir()
    if not room.lab.can_mount:
        # A limit on each file, not on all: smaller, so that it is met.
        yield SmallDisk(path, size // 4, real=False)
    else:
        with small_disk(path, size):
            yield SmallDisk(path, size, real=True)
    shutil.rmtree(path, ignore_errors=True)
