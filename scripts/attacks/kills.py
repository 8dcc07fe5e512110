"""SIGKILL at random moments. Whatever was going on, doing it again ends as if nothing had happened."""

import signal

from .kinds import Kind
from .lab import promised
from .room import DISK, snapshot
from .works import Distillation, Ensemble, Export, Folds, Import, Phases, Synth, Train, Weights, Works, ensemble, folds

MOST_KILLS = 4


class Kills(Kind):
    about = "SIGKILL at random moments of train (phases, folds, teachers too), resume, test, ensemble, synth, import, export; then the same bits as undisturbed"

    def prepare(self):
        self.works = Works(self.lab, Train, Phases, Distillation, Folds, Ensemble, Synth, Import, Export, Weights)

    def cases(self):
        # Training has the most states to be killed in.
        return ["train"] * 4 + ["train --no-test"] * 2 + [Phases.name] * 2 + [name for name in self.works if name != "train"]

    def attack(self, room, case):
        if case == Folds.name:
            killed_and_repeated(room, self.works[case], folds)
        elif case == Ensemble.name:
            killed_and_repeated(room, self.works[case], ensemble)
        elif case.startswith("train"):
            killed_training(room, self.works[case.removesuffix(" --no-test")], no_test=case.endswith("--no-test"))
        else:
            killed_writing(room, self.works[case])


def kill_some(room, attack, work, command, codes=frozenset({0})):
    """Begins a work a few times, by what `command` says then, and kills it at a random moment, unless it has ended with one of the codes."""
    for _ in range(room.random.randint(1, MOST_KILLS)):
        process = attack.start(*command())
        process.wait_until(room.random.uniform(0, work.seconds * 1.1))
        process.send(signal.SIGKILL)
        attack.check(process.wait(), process.limits, codes, signals={signal.SIGKILL})


def killed_training(room, work, no_test):
    """Kills a run and its resumptions, then lets it end."""
    with room.attack("a run is killed, resumed, killed again" + (", then tested" if no_test else "")) as attack:
        run, option = room.work / "runs/out", ["--no-test"] if no_test else []
        kill_some(room, attack, work, lambda: work.command(run, option))
        attack.run(*work.command(run, option), codes={0})
        if no_test:
            attack.run("test", run, "--data", room.lab.data, "--quiet", codes={0})
        attack.same(work.expected, promised(run), "the run has other bits")
        attack.demand(
            [path.name for path in run.parent.iterdir()] == ["out"],
            f"left in the folder of runs: {sorted(path.name for path in run.parent.iterdir())}",
        )


def killed_and_repeated(room, work, result):
    """Kills what is done again by the same command."""
    with room.attack(f"{work.name} is killed, then done again") as attack:
        place = room.work / "out"
        kill_some(room, attack, work, lambda: work.command(place))
        attack.run(*work.command(place), codes={0})
        attack.same(work.expected, result(place), f"{work.name} came to another end")


def killed_writing(room, work):
    """Kills what writes a set or a folder, then does it again."""
    with room.attack(f"{work.name} is killed, then done again") as attack:
        place = room.work / "out"
        # The one before may have come to its end: what is there is not written again without being asked to.
        kill_some(room, attack, work, lambda: work.command(place), codes={0, DISK})
        again = attack.run(*work.command(place), codes={0, DISK}, names=[work.refusal])
        if again.code == DISK:
            # Refused, because it is there.
            if work.whole:
                attack.same(work.expected, snapshot(place), f"{work.name} was refused, and what is there is not whole")
            attack.run(*work.command(place), "--overwrite", codes={0})
        attack.same(work.expected, snapshot(place), f"{work.name} wrote something else")
