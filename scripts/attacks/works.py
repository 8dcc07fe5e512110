"""Commands that write, as they are when nobody disturbs them: for kills, signals and full disks."""

from .lab import promised
from .room import snapshot


class Work:
    """A command, what it leaves when nobody disturbs it, and how long it takes."""

    name = refusal = ""
    # Whether it is all there or not at all: a folder of pictures grows, and is written anew when asked.
    whole = True

    def __init__(self, lab):
        self.lab = lab
        self.place = lab.folder / f"undisturbed-{self.name}" / "out"
        self.seconds = lab.must(lab.folder, *self.command(self.place)).seconds
        self.expected = self.result()

    @classmethod
    def of(cls, lab):
        """The one of a lab: kinds share it."""
        if cls not in lab.works:
            lab.works[cls] = cls(lab)
        return lab.works[cls]

    def result(self):
        return snapshot(self.place)


class Works:
    """Some works of a lab, by name. Each is done undisturbed when it is first asked for: a few rounds need few of them."""

    def __init__(self, lab, *kinds):
        self.lab, self.kinds = lab, {kind.name: kind for kind in kinds}

    def __iter__(self):
        return iter(self.kinds)

    def __getitem__(self, name):
        return self.kinds[name].of(self.lab)


class Train(Work):
    name = "train"

    def command(self, run, more=()):
        common = ["--data", self.lab.data, "--quiet"]
        if (run / "manifest.json").exists():
            return ["resume", run, *common]
        return ["train", self.lab.config, "--runs", run.parent, "--name", run.name, *more, *common]

    def result(self):
        return promised(self.place)


class Synth(Work):
    name, refusal = "synth", "is synthetic already"

    def command(self, place):
        return ["data", "synth", "breastmnist", "--rows", "500", "--out", place]


class Import(Work):
    name, refusal = "import", "was imported before"

    def command(self, place):
        return ["data", "import", "mine", self.lab.pictures, "--data", place, "--size", "28,64"]


class Export(Work):
    name, refusal, whole = "export", "--overwrite", False

    def command(self, place):
        return ["data", "export", "breastmnist", "retinamnist", "--data", self.lab.data, "--out", place]


class Weights(Work):
    name, refusal = "weights", "weights"

    def command(self, place):
        return ["models", "export", self.lab.run, "--data", self.lab.data, "--out", place]


class Sheet(Work):
    """What writes one file or sheet, to a folder that must be there."""

    def command(self, place):
        place.mkdir(parents=True, exist_ok=True)
        return self.sheet(place)


class Montage(Sheet):
    name = "montage"

    def sheet(self, place):
        return ["data", "montage", "breastmnist", "--data", self.lab.data, "--scale", "8", "--out", place / "sheet.png"]


class Preview(Sheet):
    name = "preview"

    def sheet(self, place):
        return ["augment", "preview", self.lab.config, "--data", self.lab.data, "--out", place]


class Datasheet(Sheet):
    name = "datasheet"

    def sheet(self, place):
        return ["data", "datasheet", "breastmnist", "retinamnist", "--data", self.lab.data, "--format", "html", "--out", place]


class Cache(Sheet):
    name = "cache"

    def sheet(self, place):
        return ["data", "stats", "breastmnist", "--data", self.lab.data, "--memory", "10kB", "--cache", place]
