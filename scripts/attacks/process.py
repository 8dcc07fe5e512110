"""One run of the program, within limits."""

import contextlib
import dataclasses
import os
import re
import resource
import shlex
import signal
import subprocess
import tempfile
import time

MIB = 1 << 20
# A wall clock alone cannot tell a program that hangs from a machine that is busy: work is bounded in CPU time.
CPU_SECONDS = 30
WALL_SECONDS = 120
# One that waits for something that never comes uses no CPU time at all.
IDLE_SECONDS = 15
MEMORY_MIB = 1024
# What stops a program that takes all there is: address space (libtorch maps much that it does not use), and bytes in a file.
ADDRESS_SPACE = 12 << 30
FILE_BYTES = 2 << 30
# Of messages on standard error, and of results on standard output.
MESSAGE_BYTES = 16 << 10
RESULT_BYTES = 4 << 20

CRASH = re.compile(
    r"panicked at|stack backtrace|RUST_BACKTRACE|internal error: entered|memory allocation of|terminate called"
    r"|Exception raised from|Segmentation fault|frame #\d+"
)
# C0 but tab and newline, DEL, and C1: what a terminal would act on.
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@dataclasses.dataclass
class Outcome:
    """What became of a run."""

    code: "int | None"
    signal: "int | None"
    stdout: str
    stderr: str
    seconds: float
    cpu: float
    memory_mib: float
    timed_out: bool

    @property
    def text(self):
        return self.stdout + self.stderr

    def last_words(self, width=300):
        """The end of its messages, on one line."""
        words = " ".join((self.stderr or self.stdout).split())
        return repr(words[-width:])[1:-1]


@dataclasses.dataclass
class Limits:
    """What a run may take."""

    cpu: float = CPU_SECONDS
    wall: float = WALL_SECONDS
    idle: float = IDLE_SECONDS
    memory_mib: int = MEMORY_MIB

    def problem(self, outcome):
        """What a run took too much of, in words."""
        if outcome.timed_out:
            return f"hangs: no end after {outcome.seconds:.0f} s, of which it worked {outcome.cpu:.1f} s"
        if outcome.signal == signal.SIGXCPU:
            return f"did not end within {self.cpu:.0f} s of CPU time"
        if outcome.signal == signal.SIGXFSZ:
            return f"wrote a file of more than {FILE_BYTES >> 30} GiB"
        if outcome.memory_mib > self.memory_mib:
            return f"took {outcome.memory_mib:.0f} MiB of memory, more than {self.memory_mib}"
        if len(outcome.stderr) > MESSAGE_BYTES:
            return f"printed {len(outcome.stderr)} bytes of messages"
        if len(outcome.stdout) > RESULT_BYTES:
            return f"printed {len(outcome.stdout)} bytes"
        return None


class Process:
    """A started program."""

    def __init__(self, command, folder, environment, limits):
        self.command, self.limits, self.folder = [os.fspath(part) for part in command], limits, os.fspath(folder)
        self.output = [tempfile.TemporaryFile(), tempfile.TemporaryFile()]
        self.start = time.monotonic()
        self.child = subprocess.Popen(
            self.command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=self.output[0],
            stderr=self.output[1],
            start_new_session=True,
        )
        cpu = int(limits.cpu)
        # Set from outside: code between fork and exec is unsafe beside the threads of our servers. It may be gone already.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            resource.prlimit(self.child.pid, resource.RLIMIT_CORE, (0, 0))
            resource.prlimit(self.child.pid, resource.RLIMIT_CPU, (cpu, cpu + 1))
            resource.prlimit(self.child.pid, resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
            if "ulimit" not in " ".join(self.command):
                resource.prlimit(self.child.pid, resource.RLIMIT_FSIZE, (FILE_BYTES, FILE_BYTES))
        self.usage = None

    def poll(self):
        """Whether it has ended."""
        if self.usage is None:
            pid, status, usage = os.wait4(self.child.pid, os.WNOHANG)
            if pid:
                self.usage = usage
                self.child.returncode = os.waitstatus_to_exitcode(status)
        return self.usage is not None

    def send(self, number):
        """Sends a signal to it, and to it alone: whether it was still there."""
        if self.poll():
            return False
        os.kill(self.child.pid, number)
        return True

    def wait_until(self, moment):
        """Waits until it has ended or has run for `moment` seconds."""
        while not self.poll() and (left := self.start + moment - time.monotonic()) > 0:
            time.sleep(min(left, 0.01))
        return self.usage is not None

    def _ends(self):
        """Whether it ends before its time is up or it has done nothing for long."""
        worked, since = -1.0, time.monotonic()
        while not self.wait_until(time.monotonic() - self.start + 0.2):
            now = time.monotonic()
            if (cpu := self._cpu_ticks()) != worked:
                worked, since = cpu, now
            if now - since > self.limits.idle or now - self.start > self.limits.wall:
                return False
        return True

    def _cpu_ticks(self):
        """CPU time so far, as Linux counts it, or now while it waits for a core or the disk."""
        with contextlib.suppress(OSError, ValueError), open(f"/proc/{self.child.pid}/stat", encoding="latin-1") as file:
            fields = file.read().rpartition(")")[2].split()
            return time.monotonic() if fields[0] in "RD" else int(fields[11]) + int(fields[12])
        return time.monotonic()

    def wait(self):
        """Waits for its end, or makes one."""
        if timed_out := not self._ends():
            # The whole session, which it leads.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.child.pid, signal.SIGKILL)
            while not self.poll():
                time.sleep(0.01)
        code = self.child.returncode
        return Outcome(
            code=code if code >= 0 else None,
            signal=-code if code < 0 else None,
            stdout=self._read(0, RESULT_BYTES),
            stderr=self._read(1, MESSAGE_BYTES),
            seconds=time.monotonic() - self.start,
            cpu=self.usage.ru_utime + self.usage.ru_stime,
            memory_mib=self.usage.ru_maxrss / 1024,
            timed_out=timed_out,
        )

    def _read(self, which, limit):
        with self.output[which] as file:
            file.seek(0)
            # A byte more than is allowed, so that too much can be seen. Invalid UTF-8 is no control character.
            return file.read(limit + 1).decode("utf-8", "backslashreplace")

    def line(self):
        """As typed in a shell."""
        return f"cd {shlex.quote(self.folder)} && {shlex.join(self.command)}"
