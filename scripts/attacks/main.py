"""Arguments, the order of things, and what is printed."""

import argparse
import dataclasses
import json
import signal
import sys
import time

from . import kinds, lab, room

EPILOG = """Held means: the program ended within its limits of CPU time, waiting, memory and output, with an exit code
that the README lists for the case, without a panic and without dying of a signal that was not sent; its message
names the file; nothing outside the folder was changed or shown, and no half-written file was left. After kills and
signals the resumed run has the bits of a run that nobody disturbed.

Every attack that was not held has its line, with the command that repeats its round. Only Python's standard library
is used. As root, full disks are real (a tmpfs); otherwise a limit on the size of files stands in for them.

Exit codes: 0 all held, 1 not, 2 wrong usage or no program."""


def parse(arguments):
    about = "\n".join(f"  {name:9}{kinds.load(name).about}" for name in kinds.NAMES)
    parser = argparse.ArgumentParser(
        prog="scripts/attack",
        usage="scripts/attack [KIND ...] [--rounds N] [--seed S] [--bin PATH]",
        description=f"Attacks the medley program from outside.\n\nkinds, by default all:\n{about}",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=positive, default=20, metavar="N", help="rounds of each kind (default 20)")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="of everything random (default 1)")
    parser.add_argument("--round", type=int, metavar="K", help="only round K, counted from 0")
    parser.add_argument("--bin", metavar="PATH", help="the program; by default MEDLEY_BIN, else what cargo built last")
    parser.add_argument(
        "--seconds",
        type=positive,
        default=1800,
        metavar="N",
        help="begin no round of a kind after so many seconds (default 1800)",
    )
    parser.add_argument("--keep", action="store_true", help="keep the folders of attacks that were not held")
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.kinds if name not in kinds.NAMES]:
        parser.error(f"unknown kind {unknown[0]}; there are {', '.join(kinds.NAMES)}")
    return options


def positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("it must be at least 1")
    return number


def main(arguments=None):
    options = parse(arguments)
    # Mounts and folders are taken away however this ends.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        shared = lab.Lab(lab.find_program(options.bin), options.seed)
    except lab.Unusable as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2
    reports = []
    try:
        shared.must(shared.folder, "--version")
        for name in options.kinds or kinds.NAMES:
            reports.append(attack(shared, name, options))
    except lab.Unusable as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    finally:
        shared.close(options.keep and any(report["failures"] for report in reports))
    not_held = sum(report["not_held"] for report in reports)
    if options.json:
        print(json.dumps({"program": str(shared.program), "seed": options.seed, "kinds": reports}, indent=1))
    elif not_held and options.keep:
        print(f"kept: {shared.folder}")
    return 1 if not_held else 0


def attack(shared, name, options):
    """All rounds of a kind."""
    kind = kinds.load(name)(shared)
    kind.prepare()
    start, tried, rounds, failures = time.monotonic(), 0, 0, []
    numbers = range(options.rounds) if options.round is None else [options.round]
    for number in numbers:
        if time.monotonic() - start > options.seconds:
            break
        place = room.Room(shared, name, number, kinds.generator(options.seed, name, number))
        try:
            kind.attack(place, kind.case(number))
        finally:
            place.close(options.keep)
        rounds, tried = rounds + 1, tried + place.tried
        failures += place.failures
        if not options.json:
            for failure in place.failures:
                print(
                    f"NOT HELD {name}: {failure.what}: {failure.problem}\n    {failure.repeat}\n    {failure.command}",
                    flush=True,
                )
    seconds = time.monotonic() - start
    if not options.json:
        cut = "" if rounds == len(numbers) else f", cut short after {rounds} rounds"
        print(
            f"{name:9}tried {tried:5}  held {tried - len(failures):5}  not held {len(failures):4}  in {seconds:.0f} s{cut}",
            flush=True,
        )
    return {
        "name": name,
        "rounds": rounds,
        "tried": tried,
        "held": tried - len(failures),
        "not_held": len(failures),
        "seconds": round(seconds, 1),
        "failures": [dataclasses.asdict(failure) for failure in failures],
    }
