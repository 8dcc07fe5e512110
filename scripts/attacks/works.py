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
    # What the config of the lab is followed by.
    tables = ""

    def config(self):
        if not self.tables:
            return self.lab.config
        path = self.lab.folder / f"{type(self).__name__}.toml"
        path.write_text(self.lab.config.read_text() + self.tables)
        return path

    def command(self, run, more=()):
        common = ["--data", self.lab.data, "--quiet"]
        if (run / "manifest.json").exists():
            return ["resume", run, *common]
        return ["train", self.config(), "--runs", run.parent, "--name", run.name, *more, *common]

    def result(self):
        return promised(self.place)


class Phases(Train):
    """Together, then each task alone, then its head alone."""

    name = "train in phases"
    tables = "[[phases]]\nepochs = 2\ntasks = 'apart'\n[[phases]]\nepochs = 1\ntasks = 'apart'\ntrain = 'heads'\n"


class Distillation(Train):
    """Taught by the finished run of the lab."""

    name = "train with a teacher"

    @property
    def tables(self):
        return f"[distill]\nteachers = ['{self.lab.run}']\n"


class Folds(Work):
    """One run for each fold, by one command that is given again."""

    name = "train on folds"

    def command(self, place, more=()):
        common = ["--data", self.lab.data, "--quiet", "--set", "folds.count=3", "--set", "seeds=[0]"]
        return ["train", self.lab.config, "--runs", place, "--name", "cv", "--all-folds", "--no-test", *common]

    def result(self):
        return folds(self.place)


def folds(place):
    """The promised files of all runs in a folder."""
    return {f"{run.name}/{name}": data for run in sorted(place.iterdir()) for name, data in promised(run).items()}


class Ensemble(Work):
    """The predictor of a run's seeds, with its test split. Each call makes a folder of its own."""

    name = "ensemble"

    def command(self, place):
        return ["ensemble", self.lab.run, "--runs", place, "--name", "both", "--test", "--data", self.lab.data]

    def result(self):
        return ensemble(self.place)


def ensemble(place):
    """The predictions and the submission of the newest ensemble in a folder, whatever its name is."""
    newest = max(place.iterdir(), key=lambda folder: int(folder.name.rsplit("-", 1)[1]))
    files = {path.name.split("@")[0]: path.read_bytes() for path in newest.glob("predictions/*.csv")}
    return files | {path.name: path.read_bytes() for path in newest.glob("submission*.csv")}


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
        return ["data", "datasheet", "breastmnist", "retinamnist", "--data", self.lab.data, "--format", "html", "--overwrite", "--out", place]


class Cache(Sheet):
    name = "cache"

    def sheet(self, place):
        return ["data", "stats", "breastmnist", "--data", self.lab.data, "--memory", "10kB", "--cache", place]
