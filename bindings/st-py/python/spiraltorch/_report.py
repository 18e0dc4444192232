"""Plans, explanations and what is there, as objects that can be read."""

from __future__ import annotations

import json
from html import escape
from typing import Any

from . import _last, _native

# The fields of a choice, in the order of the contract.
FIELDS = ("mk", "mkd", "tile", "ctile", "use_2ce", "wg", "kl", "ch")

KINDS = {"topk": 0, "bottomk": 1, "midk": 2, "range": 3}


class Report:
    """A document of the native part. Its fields are attributes; ``as_dict`` has them all."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document

    def as_dict(self) -> dict[str, Any]:
        """All of it, as JSON would have it."""
        return self._document

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["_document"][name]
        except KeyError:
            raise AttributeError(f"{type(self).__name__} has no {name}") from None

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._document]

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._document == other.as_dict()  # type: ignore[attr-defined]

    __hash__ = None  # type: ignore[assignment]


class Plan(Report):
    """How a selection would be run.

    ``choice`` has the eight fields, ``sources`` where each came from, ``notes`` what there was to say,
    ``predicted_us`` the expected time in microseconds, ``device`` and ``caps`` the device, ``auto`` why it is that one (``why``
    in words, ``cpu_us``, ``copies_us``, ``others``); None if a device was named.
    """

    def __repr__(self) -> str:
        return f"<Plan: {self.text}>"


class Explanation(Plan):
    """A plan with the reasons for it: ``why``, ``candidates``, rules (``hard``, ``soft``), the table's word (``table``)."""

    def __repr__(self) -> str:
        lines = [f"<Explanation: {self.text}"]
        lines += [f"  auto       {self.auto['why']}"] if self.auto else []
        lines.append(f"  why        {self.why}")
        lines += [f"  {name:<9}  {value!s:<12} {source}" for name, value, source in self._fields()]
        lines += [f"  {name:<9}  {text}" for name, text in self._voices()]
        lines.append(f"  {self.considered} candidates, the best:")
        rows = [self._heads(), *self._candidates()]
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines += ["  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
        return "\n".join(lines) + ">"

    def _repr_html_(self) -> str:
        fields = table([("field", "value", "from"), *self._fields()])
        candidates = table([self._heads(), *self._candidates()])
        voices = "".join(f"<li><b>{escape(name)}</b> {escape(text)}</li>" for name, text in self._voices())
        return (
            f"<p><b>{escape(self.text)}</b></p><p>{escape(self.why)}</p>{fields}<ul>{voices}</ul>"
            f"<p>{self.considered} candidates, the best:</p>{candidates}"
        )

    def _fields(self) -> list[tuple[str, Any, str]]:
        return [(name, self.choice[name], self.sources[name]) for name in FIELDS]

    def _voices(self) -> list[tuple[str, str]]:
        """Rules, the table, notes."""
        voices = [("rule", f"{place(rule['place'])}: {rule['field']} = {rule['value']}") for rule in self.hard]
        for rule in self.soft:
            what = f"{rule['field']} = {rule['value']}" if rule["field"] else "its condition"
            voices.append(("soft rule", f"{place(rule['place'])}: {what} {rule['weight']:+.3f}"))
        if self.table:
            voices.append(("table", f"{self.table['table']} ({self.table['origin']}): {self.table['outcome']}"))
        return voices + [("note", note) for note in self.notes]

    @staticmethod
    def _heads() -> tuple[str, ...]:
        return ("expected us", "model us", "score", "choice", "votes")

    def _candidates(self) -> list[tuple[str, ...]]:
        rows: list[tuple[str, ...]] = []
        for candidate in self.candidates:
            measured = " measured" if candidate["measured"] else ""
            votes = ", ".join(f"{place(vote['place'])} {vote['weight']:+.3f}" for vote in candidate["votes"])
            choice = " ".join(f"{name}={candidate['choice'][name]}" for name in FIELDS)
            expected = f"{candidate['expected_us']:.1f}{measured}"
            rows.append((expected, f"{candidate['model_us']:.1f}", f"{candidate['score']:.3f}", choice, votes))
        return rows


class Device(Report):
    """A device: ``device`` is what ``device=`` takes, ``software`` whether its driver is a program for the processor."""

    def __repr__(self) -> str:
        software = ", software" if self.software else ""
        return f"<Device {self.device!r}: {self.name}{software}>"


class Health(Report):
    """What was found, as ``spiral doctor`` says it (``text``): ``cpu``, ``backends`` with what is there or why not,
    ``rules``, ``tables``, ``hints``, ``faults``; ``devices``; ``missing`` (of each backend that is not there, why);
    ``libraries`` (Python's)."""

    def __repr__(self) -> str:
        lines = self.text.splitlines() + [f"{name:<16} {version}" for name, version in self.libraries.items()]
        return "<" + "\n  ".join(lines) + ">"


class Tuning(Report):
    """What tuning found: ``device``, ``table`` (the file), ``cells`` with ``planned_us``, ``best_us`` (both on random rows)
    and the best choice of each, counts (``measured``, ``known``, ``refused``, ``left``, ``failed``, ``records``), ``faults``."""

    def __repr__(self) -> str:
        lines = [f"<Tuning of {self.device}"]
        for cell in self.cells:
            faster = 100 * (cell["planned_us"] / cell["best_us"] - 1)
            choice = " ".join(f"{name}={cell['best'][name]}" for name in FIELDS)
            lines.append(
                f"  {cell['kind']} {cell['rows']}x{cell['cols']} k={cell['k']} {cell['dtype']}: {cell['best_us']:.1f} us, the "
                f"planner's {cell['planned_us']:.1f} ({faster:+.1f} %): {choice}"
            )
        lines += [f"  fault  {fault}" for fault in self.faults]
        if self.put_aside:
            lines.append(f"  an earlier table was put aside: {self.put_aside}")
        again = ", for which no time was: call it again to go on" if self.left else ""
        lines.append(
            f"  {self.measured} shapes measured ({self.records} records), {self.known} known, {self.refused} that the device "
            f"cannot do, {self.left} left{again}"
        )
        return "\n".join([*lines, f"  table {self.table}"]) + ">"


def place(where: dict[str, Any]) -> str:
    """A rule's place, as an editor takes it."""
    return f"{where['source']}:{where['line']}"


def table(rows: list[tuple[Any, ...]]) -> str:
    """An HTML table, the first row its head."""
    head, *body = ["".join(f"<{tag}>{escape(str(cell))}</{tag}>" for cell in row) for tag, row in tagged(rows)]
    return "<table><tr>" + "</tr><tr>".join([head, *body]) + "</tr></table>"


def tagged(rows: list[tuple[Any, ...]]) -> list[tuple[str, tuple[Any, ...]]]:
    return [("th" if number == 0 else "td", row) for number, row in enumerate(rows)]


def warn(text: str) -> None:
    """A warning at the line outside the package that called it."""
    import sys
    import warnings

    frame, level = sys._getframe(1), 2
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] == "spiraltorch":
        frame, level = frame.f_back, level + 1
    warnings.warn(text, RuntimeWarning, stacklevel=level)


def _kind(kind: str, start: Any) -> tuple[int, Any]:
    if kind not in KINDS:
        raise ValueError(f"kind = {kind!r}: use one of {', '.join(KINDS)}")
    if (kind == "range") != (start is not None):
        raise ValueError('start goes with kind = "range", and with that alone')
    return KINDS[kind], 0 if start is None else start


def plan(
    kind: str, shape: Any, start: Any, dtype: str, nan: str, sorted: bool, device: str, caps: str | None
) -> Plan:
    code, start = _kind(kind, start)
    return Plan(json.loads(_native.plan(code, shape, start, dtype, _last(nan), sorted, device, caps)))


def explain(
    kind: str, shape: Any, start: Any, dtype: str, nan: str, sorted: bool, device: str, caps: str | None, top: Any
) -> Explanation:
    code, start = _kind(kind, start)
    return Explanation(json.loads(_native.explain(code, shape, start, dtype, _last(nan), sorted, device, caps, top)))


def tune(device: str, budget: float, shapes: Any, home: Any, fresh: bool) -> Tuning:
    listed = None if shapes is None else json.dumps([_cell(shape) for shape in shapes])
    found = Tuning(json.loads(_native.tune(device, float(budget), listed, home, bool(fresh))))
    if found.failed:
        import warnings

        warnings.warn(f"{found.failed} choices failed, and are not used: {'; '.join(found.faults)}", RuntimeWarning, 3)
    return found


def _cell(shape: Any) -> dict[str, Any]:
    """A shape as the tuner reads it; what cannot be is for the tuner to refuse."""
    if isinstance(shape, dict):
        cell = dict(shape)
    else:
        try:
            cell = dict(zip(("rows", "cols", "k", "dtype"), shape, strict=False))
            if len(shape) > 4:
                raise ValueError(f"shapes: {shape!r}: give (rows, cols, k) or (rows, cols, k, dtype)")
        except TypeError:
            raise TypeError(f"shapes: {shape!r} is none: give (rows, cols, k), or a dictionary") from None
    for name in ("rows", "cols", "k"):
        if hasattr(cell.get(name), "__index__"):
            cell[name] = cell[name].__index__()
    for name, value in cell.items():
        if not isinstance(value, (int, str)):
            raise TypeError(f"shapes: {name} = {value!r}: rows, cols and k are integers, kind and dtype names")
    return cell


def devices() -> list[Device]:
    return [Device(document) for document in json.loads(_native.devices())]


def doctor() -> Health:
    import sys
    from importlib import metadata

    document = json.loads(_native.doctor())
    document["missing"] = {found["backend"]: None if found["found"] else found["detail"] for found in document["backends"]}
    document["libraries"] = {"python": sys.version.split()[0]}
    for name in ("numpy", "torch", "jax", "cupy"):
        try:
            document["libraries"][name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            pass
    return Health(document)
