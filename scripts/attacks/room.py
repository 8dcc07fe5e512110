"""The folder of one round, and what "held" means there."""

import contextlib
import dataclasses
import hashlib
import os
import re
import shutil
import signal
import stat
import traceback

from .process import CONTROL, CRASH, Limits, Process

# The exit codes of errors that README.md lists; 1, an internal error, is no answer to a file or a disk.
USAGE, DATA, DISK, DIVERGED, INTERRUPTED, TERMINATED = 2, 3, 4, 5, 130, 143
# Lies in a file outside the folder that the program may touch. Whoever prints it has followed a link.
SECRET = "the-secret-of-another-folder"
TEMPORARY = ".tmp-"
# How a line of results says that its file is bad.
REPORTED = re.compile("FAILED|BROKEN")


@dataclasses.dataclass
class Failure:
    """An attack that was not held."""

    round: int
    what: str
    problem: str
    command: str
    repeat: str


class NotHeld(Exception):
    """Raised where something is not as it must be."""


def snapshot(folder, read=True):
    """Everything below a folder by its path: type, and what is in it. Nothing is followed, and only regular files are opened."""
    found = {}
    for parent, folders, files in os.walk(folder):
        for name in folders + files:
            path = os.path.join(parent, name)
            status = os.lstat(path)
            found[os.path.relpath(path, folder)] = describe(path, status, read)
    return found


def describe(path, status, read=True):
    kind = stat.S_IFMT(status.st_mode)
    if stat.S_ISLNK(status.st_mode):
        return kind, os.readlink(path)
    if not stat.S_ISREG(status.st_mode):
        return (kind,)
    # Sparse giants are told apart by their size alone.
    if not read or status.st_size > 64 << 20:
        return kind, status.st_size
    with open(path, "rb") as file:
        return kind, hashlib.sha256(file.read()).hexdigest()


def difference(before, after):
    """In words, how two snapshots differ."""
    said = [
        f"{name} {verb}"
        for names, verb in (
            (before.keys() - after.keys(), "is gone"),
            (after.keys() - before.keys(), "is new"),
            ({name for name in before.keys() & after.keys() if before[name] != after[name]}, "has changed"),
        )
        for name in sorted(names)
    ]
    return ", ".join(said[:5]) + (f" and {len(said) - 5} more" if len(said) > 5 else "")


class Room:
    """`work`, where the program runs and may write; `elsewhere`, where it may not. Collects what was tried."""

    def __init__(self, lab, kind, number, random):
        self.lab, self.kind, self.number, self.random = lab, kind, number, random
        self.root = lab.folder / f"{kind}-{number}"
        self.work, self.elsewhere = self.root / "work", self.root / "elsewhere"
        self.work.mkdir(parents=True)
        (self.elsewhere / "folder").mkdir(parents=True)
        for name in ("file", "folder/file"):
            (self.elsewhere / name).write_text(f"{SECRET}\n")
        self.failures, self.tried = [], 0
        self.last = None
        self.mounts = contextlib.ExitStack()

    def close(self, keep):
        self.mounts.close()
        if not (keep and self.failures):
            shutil.rmtree(self.root, ignore_errors=True)

    @contextlib.contextmanager
    def attack(self, what, limits=None, may_leave=()):
        """Counts one attack. What is raised inside, and what is wrong at its end, makes it one that was not held."""
        self.tried += 1
        self.last = None
        elsewhere = snapshot(self.elsewhere)
        before = set(snapshot(self.work, read=False))
        attack = Attack(self, limits or Limits())
        try:
            yield attack
            attack.nothing_else_happened(elsewhere, before, may_leave)
        except NotHeld as problem:
            self.fail(what, str(problem))
        except Exception:  # The attack itself is broken: say so, and do not count it as held.
            self.fail(what, "the attack itself failed: " + traceback.format_exc(limit=-3))

    def fail(self, what, problem):
        repeat = f"scripts/attack {self.kind} --seed {self.lab.seed} --round {self.number}"
        self.failures.append(Failure(self.number, what, problem, self.last or "", repeat))


class Attack:
    """One attack in a room."""

    def __init__(self, room, limits):
        self.room, self.limits = room, limits

    def start(self, *arguments, limits=None, folder=None, wrap=()):
        """Starts the program in the room."""
        command = [*wrap, self.room.lab.program, *arguments]
        process = Process(command, folder or self.room.work, self.room.lab.environment, limits or self.limits)
        self.room.last = process.line()
        return process

    def run(self, *arguments, codes, names=(), **more):
        """Runs it to its end, which must be one of `codes`; an error must name one of `names`."""
        process = self.start(*arguments, **more)
        outcome = process.wait()
        self.check(outcome, process.limits, codes, names)
        return outcome

    def check(self, outcome, limits, codes, names=(), signals=()):
        """That an outcome is within its limits and has a documented end."""
        problem = limits.problem(outcome)
        if problem:
            raise NotHeld(f"{problem}; last words: {outcome.last_words()}")
        if outcome.signal and outcome.signal not in signals:
            raise NotHeld(f"died of {signal.Signals(outcome.signal).name}: {outcome.last_words()}")
        if crash := CRASH.search(outcome.text):
            raise NotHeld(f"printed {crash.group()!r} and exited with {outcome.code}: {outcome.last_words()}")
        if raw := CONTROL.search(outcome.text):
            raise NotHeld(f"printed the control character {raw.group()!r} as it is: {outcome.last_words()}")
        if SECRET in outcome.text:
            raise NotHeld(f"printed what lies in a file outside: {outcome.last_words()}")
        if outcome.signal:
            return
        if outcome.code not in codes:
            allowed = " or ".join(map(str, sorted(codes)))
            raise NotHeld(f"exit code {outcome.code}, not {allowed}: {outcome.last_words()}")
        if outcome.code in (1, USAGE, DATA, DISK, DIVERGED):
            # Where several files are gone through, each has its line in the results.
            if "error:" not in outcome.stderr and not REPORTED.search(outcome.stdout):
                raise NotHeld(f"exit code {outcome.code} without an error: {outcome.last_words()}")
            if names and not any(str(name) in outcome.text for name in names):
                raise NotHeld(f"the message names none of {', '.join(map(str, names))}: {outcome.last_words()}")

    def demand(self, holds, problem):
        if not holds:
            raise NotHeld(problem)

    def same(self, before, after, problem):
        """That two snapshots are equal."""
        self.demand(before == after, f"{problem}: {difference(before, after)}")

    def nothing_else_happened(self, elsewhere, before, may_leave):
        """That nothing outside changed, was copied inside, or was left half done."""
        self.same(elsewhere, snapshot(self.room.elsewhere), "files outside the folder changed")
        left = [name for name in snapshot(self.room.work, read=False) if name not in before]
        torn = [name for name in left if TEMPORARY in name and not any(part in name for part in may_leave)]
        self.demand(not torn, f"left behind {', '.join(torn[:5])}")
        for name in left:
            path = self.room.work / name
            status = os.lstat(path)
            if stat.S_ISREG(status.st_mode) and status.st_size < 64 << 20:
                self.demand(SECRET.encode() not in path.read_bytes(), f"copied what lies in a file outside to {name}")
