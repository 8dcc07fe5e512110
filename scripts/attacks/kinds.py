"""The list of kinds, and what one is."""

import importlib
import random

NAMES = ("kills", "signals", "disk", "files", "runs", "configs", "servers", "images", "races", "studies")


class Kind:
    """One kind of attack. `about` is a line for --help."""

    about = ""

    def __init__(self, lab):
        self.lab = lab

    def prepare(self):
        """Makes what all rounds need, so that it does not count as their time."""

    def cases(self):
        """The cases to go through, if they can be listed."""
        return ()

    def attack(self, room, case):
        """One round. `case` is the one that is due; None where none are listed."""
        raise NotImplementedError

    def case(self, number):
        """The case of a round."""
        cases = list(self.cases())
        random.Random(f"{self.lab.seed}/{type(self).__name__}").shuffle(cases)
        return cases[number % len(cases)] if cases else None


def load(name):
    """The class of a kind: the one subclass that its file defines."""
    module = importlib.import_module(f".{name}", __package__)
    return next(
        item
        for item in vars(module).values()
        if isinstance(item, type) and issubclass(item, Kind) and item.__module__ == module.__name__
    )


def generator(seed, name, number):
    """What is random in a round."""
    return random.Random(f"{seed}/{name}/{number}")
