"""Two commands at the same time on the same target. Each comes to its end or is refused, and what is there is one's work, whole."""

import os
import shutil

from .kinds import Kind
from .lab import promised
from .room import DISK, snapshot
from .server import Server
from .works import Cache, Export, Import, Montage, Synth, Train, Weights, Works


class Races(Kind):
    about = "two commands at the same time on one target: train, resume, test, report, import, synth, export, fetch, cache"

    def prepare(self):
        self.works = Works(self.lab, Train, Synth, Import, Export, Weights, Montage, Cache)

    def cases(self):
        return [*(name for name in self.works if name != "train"), "train", "train", "readers", "readers", "fetch"]

    def attack(self, room, case):
        if case in ("train", "readers", "fetch"):
            return getattr(self, case)(room)
        work, place = self.works[case], room.work / "out"
        more = room.random.choice(((), ("--overwrite",))) if case in ("synth", "import", "export", "montage") else ()
        with room.attack(f"{case} {' '.join(more)} twice at the same time") as attack:
            outcomes = self.both(room, attack, [*work.command(place), *more], [*work.command(place), *more], codes={0, DISK})
            attack.demand(
                any(outcome.code == 0 for outcome in outcomes), f"neither came to its end: {outcomes[0].last_words()}"
            )
            attack.same(work.expected, snapshot(place), f"{case} left something else")

    def both(self, room, attack, one, other, codes):
        """Starts both, the second a moment later; both end with one of `codes`."""
        first = attack.start(*one)
        first.wait_until(room.random.choice((0, room.random.random() * 0.3, room.random.random() * 1.5)))
        second = attack.start(*other)
        room.last = f"({first.line()}) & {second.line()}"
        outcomes = []
        for process in (first, second):
            # Each waits for the other's core as well.
            process.limits.wall *= 2
            outcomes.append(process.wait())
        for process, outcome in zip((first, second), outcomes):
            attack.check(outcome, process.limits, codes)
        return outcomes

    def train(self, room):
        """The same name twice, then both resume at once what is left."""
        work, run = self.works["train"], room.work / "runs/out"
        with room.attack("train twice under one name at the same time, then resume twice") as attack:
            command = work.command(run)
            outcomes = self.both(room, attack, command, command, codes={0, DISK})
            attack.demand(
                any(outcome.code == 0 for outcome in outcomes), f"neither came to its end: {outcomes[0].last_words()}"
            )
            resume = ["resume", run, "--data", self.lab.data, "--quiet"]
            self.both(room, attack, resume, resume, codes={0, DISK})
            attack.same(work.expected, promised(run), "the run has other bits")
            attack.demand(os.listdir(run.parent) == ["out"], f"left in the folder of runs: {os.listdir(run.parent)}")

    def readers(self, room):
        """What reads and writes again beside what trains."""
        work, run = self.works["train"], room.work / "runs/out"
        shutil.copytree(work.place, run)
        other = room.random.choice(
            (
                ["report", run],
                ["submission", run],
                ["test", run, "--data", self.lab.data, "--quiet"],
                ["score", run, "--data", self.lab.data],
                ["resume", run, "--data", self.lab.data, "--quiet"],
            )
        )
        again = room.random.choice((other, ["resume", run, "--data", self.lab.data, "--quiet"]))
        with room.attack(f"{again[0]} and {other[0]} at the same time") as attack:
            self.both(room, attack, again, other, codes={0, DISK})
            attack.same(work.expected, promised(run), "the run has other bits")

    def fetch(self, room):
        """Both want the same file: one of them fetches it."""
        body = self.lab.published.read_bytes() if self.lab.published else room.random.randbytes(500_000)
        with room.attack("fetch twice at the same time") as attack, Server(
            lambda request: request.answer(200, body, etag='"one"', ranges=True)
        ) as server:
            folder = room.work / "data"
            fetch = ["data", "fetch", "breastmnist", "--base-url", server.address, "--attempts", "2", "--data", folder]
            outcomes = self.both(room, attack, fetch, fetch, codes={0, 3, DISK})
            if self.lab.published:
                attack.demand([outcome.code for outcome in outcomes] == [0, 0], f"it was refused: {outcomes[1].last_words()}")
                attack.demand(
                    {path.name: path.read_bytes() for path in folder.iterdir()} == {"breastmnist.npz": body},
                    f"left {os.listdir(folder)}",
                )
