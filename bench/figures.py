# SPDX-License-Identifier: MIT
"""What a bench finds: figures with their floors, kept as JSON, compared with earlier ones."""

import dataclasses
import json
import statistics


@dataclasses.dataclass
class Figure:
    """One line of a table. `floor` names the figure, of the same bench and run, that it stands against."""
    bench: str
    name: str
    unit: str
    median: float
    min: float
    max: float
    floor: str = ""
    allocations: float | None = None  # per operation, as system_calls
    system_calls: float | None = None
    megabytes: float | None = None  # at the peak of making it
    kept: bool = True  # not a peer or a floor: --check looks at it

    @staticmethod
    def of(bench, name, unit, values, **more):
        return Figure(bench, name, unit, statistics.median(values), min(values), max(values), **more)


@dataclasses.dataclass
class Run:
    """The figures, where each bench's come from, and what was left out and why."""
    origins: dict  # bench -> its machine, the command among it
    figures: list = dataclasses.field(default_factory=list)
    left_out: list = dataclasses.field(default_factory=list)  # "bench: why"

    def find(self, bench, name):
        for figure in self.figures:
            if (figure.bench, figure.name) == (bench, name):
                return figure
        return None

    def ratios(self, figure):
        """(of the medians, of the minima) to the floor, or None."""
        floor = self.find(figure.bench, figure.floor) if figure.floor else None
        if floor is None or floor.median <= 0 or floor.min <= 0:
            return None
        return figure.median / floor.median, figure.min / floor.min

    def to_json(self):
        shown = dataclasses.asdict(self)
        for line, figure in zip(shown["figures"], self.figures):
            ratios = self.ratios(figure)
            if ratios:
                line["ratio_of_medians"], line["ratio_of_minima"] = (round(r, 3) for r in ratios)
            for key in ("median", "min", "max", "allocations", "system_calls", "megabytes"):
                if line[key] is not None:
                    line[key] = float(f"{line[key]:.5g}")
            for key in ("floor", "allocations", "system_calls", "megabytes"):
                if not line[key] and line[key] != 0:
                    del line[key]
        return json.dumps(shown, indent=1) + "\n"

    @staticmethod
    def from_json(text):
        held = json.loads(text)
        names = {field.name for field in dataclasses.fields(Figure)}
        figures = [Figure(**{key: value for key, value in line.items() if key in names})
                   for line in held["figures"]]
        return Run(held["origins"], figures, held["left_out"])

    def fill_in(self, older):
        """Takes over what an older run has of benches that this one did not run."""
        missing = set(older.origins) - set(self.origins)
        self.figures += [figure for figure in older.figures if figure.bench in missing]
        self.left_out += [text for text in older.left_out if text.partition(":")[0] in missing]
        self.origins |= {bench: older.origins[bench] for bench in missing}


TOLERANCE = 0.15  # of a ratio of times; on a busy machine less than that is no difference
COUNT_TOLERANCE = 0.02  # of what can be counted: allocations, system calls, bytes
TIME_UNITS = {"ns", "us", "ms", "s"}


NOISE_NS = 1.5  # of one operation: layout and neighbours move the shortest loops by that


def slower(ratios, old_ratios, figure, old_floor):
    """Both medians and minima, by more than the tolerance and by more than the noise of a short loop."""
    for new, was in zip(ratios, old_ratios):
        if new <= was * (1 + TOLERANCE):
            return False
        if figure.unit == "ns" and (new - was) * old_floor.min < NOISE_NS:
            return False
    return True


def compare(before, now):
    """(figure, sentence) for each that got slower, larger or more; and how many could be compared.

    Times count only as ratios to a floor of their own run, since machines and their load differ.
    """
    worse, compared = [], 0
    for figure in now.figures:
        old = before.find(figure.bench, figure.name)
        if old is None or not figure.kept:
            continue
        label = f"{figure.bench}/{figure.name}"
        ratios, old_ratios = now.ratios(figure), before.ratios(old)
        if figure.unit not in TIME_UNITS:
            compared += 1
            if figure.min > old.min * (1 + TOLERANCE):
                worse.append((figure, f"{label}: larger: {figure.min:.4g} {figure.unit}, was {old.min:.4g}"))
        elif ratios and old_ratios:
            compared += 1
            if slower(ratios, old_ratios, figure, before.find(old.bench, old.floor)):
                worse.append((figure, f"{label}: slower: {ratios[0]:.2f} of the floor (minima {ratios[1]:.2f}), "
                                      f"was {old_ratios[0]:.2f} ({old_ratios[1]:.2f})"))
        for what in ("allocations", "system_calls"):
            new, was = getattr(figure, what), getattr(old, what)
            if new is not None and was is not None and new > was * (1 + COUNT_TOLERANCE) + 0.005:
                worse.append((figure, f"{label}: more {what.replace('_', ' ')}: {new:.4g} an operation, "
                                      f"was {was:.4g}"))
    return worse, compared
