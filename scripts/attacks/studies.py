"""Studies: workers are killed, disks are full or read-only, clocks jump, texts are edited. Nothing is lost, nothing counted twice."""

import contextlib
import json
import os
import pathlib
import signal
import subprocess

from .disk import disk, is_full, size_of
from .kinds import Kind
from .lab import small_disk
from .process import Limits
from .room import DISK, USAGE

KILLS = 8
# A worker that has nothing to do looks once a second, and does not compute.
PATIENT = Limits(cpu=120, wall=600, idle=120)
# What a worker leaves that was killed while it made a trial; the next one removes it when it is an hour old.
LEFT = ("trials/.tmp-",)
PROMISED = ("checkpoints/", "predictions/", "metrics.csv", "results", "config.toml")
BASE = """name = 'base'
tasks = ['breastmnist']
seeds = [0]
[net]
backbone = { name = 'linear' }
[augment]
workers = 0
[train]
epochs = 6
batch_size = 16
threads = 1
precision = 'fp32'
memory_layout = 'channels_last'
convolutions = 'libtorch'
"""
STUDY = "seed = 3\n[budget]\ntrials = 8\n[objective]\nbase = 'base.toml'\n%s\n[space]\n'optimizer.learning_rate' = %s\n"
RATES = "{ log = [1e-4, 1e-1] }"
# With several workers at the same time, and with one at a time.
SEVERAL = ("several", "[sampler]\nname = 'sobol'")
ALONE = ("alone", "[sampler]\nname = 'tpe'\nstartup = 3\n[pruner]\nname = 'asha'\nlast = 6")


class Studies(Kind):
    about = "studies: workers killed, a full or read-only disk, clocks that jump, texts that are edited, trials that diverge"

    def prepare(self):
        self.folder = self.lab.folder / "studied"
        self.folder.mkdir()
        (self.folder / "base.toml").write_text(BASE)
        self.expected = {}
        for name, rest in (SEVERAL, ALONE):
            (self.folder / f"{name}.toml").write_text(STUDY % (rest, RATES))
            outcome = self.lab.must(self.folder, *self.run_command(name, self.folder / "studies"))
            self.expected[name] = (self.result(self.folder / f"studies/{name}"), outcome.seconds)

    def cases(self):
        return ["kills"] * 6 + ["killed alone"] * 3 + ["disk", "disk", "read-only", "clock", "edited", "version", "name", "diverges"]

    def attack(self, room, case):
        getattr(self, case.replace(" ", "_").replace("-", "_"))(room)

    def run_command(self, name, studies, *more):
        file = self.folder / f"{name}.toml"
        return ["study", "run", file, "--studies", studies, "--data", self.lab.data, "--quiet", *more]

    def work_command(self, study):
        return ["study", "work", study, "--data", self.lab.data, "--quiet"]

    def begin(self, attack, name, studies):
        attack.run(*self.run_command(name, studies, "--workers", "0"), codes={0}, limits=PATIENT)
        return studies / name

    def result(self, study):
        """What a study has come to, but for who did it and how long it took. A paused trial whose worker was killed may have an older
        checkpoint, from which it is trained again once it is promoted: files are those of finished trials."""
        status = json.loads(self.lab.must(self.lab.folder, "study", "status", study, "--json").stdout)
        keys = ("number", "state", "value", "rungs", "message", "point")
        trials = {f"trial {trial['number']}": [trial[key] for key in keys] for trial in status["trials"]}
        finished = [study / f"trials/{trial['number']}" for trial in status["trials"] if trial["state"] == "finished"]
        files = (path for folder in finished for path in folder.rglob("*") if path.is_file())
        named = ((str(path.relative_to(study)), path) for path in files)
        return trials | {name: path.read_bytes() for name, path in named if any(part in name for part in PROMISED)}

    def same(self, attack, name, study):
        attack.same(self.expected[name][0], self.result(study), "the study came to another end")

    def kills(self, room):
        """Two workers, of which one is killed at a random moment, again and again."""
        seconds = self.expected["several"][1]
        with room.attack("one of two workers is killed, again and again", limits=PATIENT, may_leave=LEFT) as attack:
            study = self.begin(attack, "several", room.work)
            workers = [attack.start(*self.work_command(study)) for _ in range(2)]
            for _ in range(KILLS):
                victim = room.random.randrange(2)
                kill(attack, workers[victim], room.random.uniform(0, seconds * 0.4))
                workers[victim] = attack.start(*self.work_command(study))
            for worker in workers:
                attack.check(worker.wait(), worker.limits, {0})
            self.same(attack, "several", study)

    def killed_alone(self, room):
        """A sampler and a pruner that look at other trials, and one worker at a time. A paused trial may keep a half-written checkpoint until it
        is promoted."""
        seconds = self.expected["alone"][1]
        with room.attack("a worker is killed, then another", limits=PATIENT, may_leave=(*LEFT, "/checkpoints/")) as attack:
            study = self.begin(attack, "alone", room.work)
            for _ in range(KILLS):
                kill(attack, attack.start(*self.work_command(study)), room.random.uniform(0, seconds * 0.4))
            attack.run(*self.work_command(study), codes={0})
            self.same(attack, "alone", study)

    def disk(self, room):
        needed = size_of(self.folder / "studies/several")
        size = max(4096, int(needed * room.random.uniform(0.05, 1.0)) // 4096 * 4096)
        with room.attack(f"a study on a disk of {size} bytes, of {needed} that it needs", limits=PATIENT) as attack, disk(
            room, size
        ) as place:
            outcome = attack.run(*self.run_command("several", place.path), codes={0, DISK}, wrap=place.wrap)
            if outcome.code == DISK:
                attack.demand(is_full(outcome), f"the message does not say that the disk is full: {outcome.last_words()}")
            place.make_room()
            attack.run(*self.run_command("several", place.path), codes={0})
            self.same(attack, "several", place.path / "several")

    def read_only(self, room):
        if not self.lab.can_mount:
            return
        place = room.work / "disk"
        place.mkdir()
        with room.attack("a disk becomes read-only", limits=PATIENT, may_leave=LEFT) as attack, small_disk(place, 256 << 20):
            study = self.begin(attack, "several", place)
            kill(attack, attack.start(*self.work_command(study)), room.random.uniform(0, self.expected["several"][1]))
            remount(place, "ro")
            attack.run(*self.work_command(study), codes={DISK}, names=[study])
            remount(place, "rw")
            attack.run(*self.work_command(study), codes={0})
            self.same(attack, "several", study)

    def clock(self, room):
        """Times of leases jump to the far past and the far future, while two workers watch each other."""
        with room.attack("clocks jump while two workers are at work", limits=PATIENT, may_leave=LEFT) as attack:
            study = self.begin(attack, "several", room.work)
            workers = [attack.start(*self.work_command(study)) for _ in range(2)]
            while not all(worker.wait_until(0) for worker in workers):
                # Folders come and go meanwhile.
                with contextlib.suppress(OSError):
                    for lease in study.glob("trials/*/lease-*"):
                        moment = room.random.choice((0, 315_532_800, 4_102_444_800))
                        os.utime(lease, (moment, moment))
            for worker in workers:
                attack.check(worker.wait(), worker.limits, {0})
            self.same(attack, "several", study)

    def edited(self, room):
        """A text of the study is edited between two workers: the second refuses, and goes on when it is as before."""
        name = room.random.choice(("study.toml", "base.toml", "data-folder.txt"))
        self.changed(room, name, lambda text: text + "# edited\n", name)

    def version(self, room):
        self.changed(room, "study.json", lambda text: text.replace('"version": "', '"version": "9.'), "medley 9.")

    def changed(self, room, name, change, says):
        with room.attack(f"{name} is changed between two workers", limits=PATIENT, may_leave=LEFT) as attack:
            study = self.begin(attack, "several", room.work)
            kill(attack, attack.start(*self.work_command(study)), room.random.uniform(0, self.expected["several"][1]))
            path = pathlib.Path(study / name)
            text = path.read_text()
            path.write_text(change(text))
            attack.run(*self.work_command(study), codes={DISK}, names=[says])
            path.write_text(text)
            attack.run(*self.work_command(study), codes={0})
            self.same(attack, "several", study)

    def name(self, room):
        """Two studies with one name: the second is refused, whether it comes later or at the same time."""
        with room.attack("two studies have one name", limits=PATIENT, may_leave=LEFT) as attack:
            both = [attack.start(*self.run_command(name, room.work, "--name", "one")) for name in ("several", "alone")]
            outcomes = [process.wait() for process in both]
            for process, outcome in zip(both, outcomes):
                attack.check(outcome, process.limits, {0, USAGE}, names=["is another study"])
            codes = sorted(outcome.code for outcome in outcomes)
            attack.demand(codes == [0, USAGE], f"they ended with {codes}")
            self.same(attack, "several" if outcomes[0].code == 0 else "alone", room.work / "one")

    def diverges(self, room):
        """A trial whose loss is not finite fails, is counted once, and takes no other with it."""
        with room.attack("one of two trials diverges", limits=PATIENT) as attack:
            text = STUDY % ("[sampler]\nname = 'grid'", "{ choice = [1e-3, 1000.0] }")
            file = room.work / "diverges.toml"
            file.write_text(text)
            # Each step multiplies the weights by 1 less the product of both.
            base = BASE.replace("epochs = 6", "epochs = 30")
            (room.work / "base.toml").write_text(base + "[optimizer]\nweight_decay = 1.0\n")
            command = ["study", "run", file, "--studies", room.work, "--data", self.lab.data, "--quiet"]
            attack.run(*command, codes={0})
            once = self.result(room.work / "diverges")
            attack.run(*command, codes={0})
            attack.same(once, self.result(room.work / "diverges"), "the second time it came to another end")
            states = [once[key][1] for key in sorted(once) if key.startswith("trial ")]
            attack.demand(states == ["finished", "failed"], f"trials are {states}")


def kill(attack, worker, moment):
    """Kills a worker that has run for so long; it may have ended before."""
    worker.wait_until(moment)
    worker.send(signal.SIGKILL)
    attack.check(worker.wait(), worker.limits, {0}, signals={signal.SIGKILL})


def remount(place, how):
    subprocess.run(["mount", "-o", f"remount,{how}", place], check=True, capture_output=True)
