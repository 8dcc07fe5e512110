"""Chains of SIGINT, SIGTERM and SIGHUP. The first asks for a stop, the second ends the program at once; either way it can go on."""

import signal

from .kinds import Kind
from .lab import promised
from .room import INTERRUPTED, TERMINATED
from .works import Train

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
CODES = {signal.SIGINT: INTERRUPTED, signal.SIGTERM: TERMINATED}


class Signals(Kind):
    about = "chains of SIGINT, SIGTERM and SIGHUP while training, resuming and testing; documented codes, then the same bits"

    def prepare(self):
        self.train = Train.of(self.lab)

    def attack(self, room, case):
        random, work = room.random, self.train
        run = room.work / "runs/out"
        with room.attack("a run is interrupted, resumed, interrupted again") as attack:
            for _ in range(random.randint(1, 4)):
                process = attack.start(*work.command(run))
                # Handlers are set within the first moments; before that a signal ends any program.
                moment = random.uniform(0, work.seconds * 1.1)
                sent = []
                for _ in range(random.choice((1, 1, 1, 2, 3))):
                    process.wait_until(moment)
                    number = random.choice(SIGNALS)
                    if process.send(number):
                        sent.append(number)
                    moment += random.choice((0, 0.001, 0.05, 0.3))
                outcome = process.wait()
                # One that came before the handlers, and SIGHUP, for which there is none, end it as they end any program.
                attack.check(
                    outcome, process.limits, {0, *(CODES[number] for number in sent if number in CODES)}, signals=set(sent)
                )
            attack.run(*work.command(run), codes={0})
            attack.same(work.expected, promised(run), "the run has other bits")
            attack.demand(
                [path.name for path in run.parent.iterdir()] == ["out"],
                f"left in the folder of runs: {sorted(path.name for path in run.parent.iterdir())}",
            )
