"""Gates of a sweep: each against every row, and what they come to when all rows were met."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from dsconv_cli.cli.streams import say
from dsconv_cli.cli.sweep_wishes import Wishes
from dsconv_cli.comparison.result import Comparison
from dsconv_cli.gates import Verdict, check
from dsconv_cli.numbers import many
from dsconv_cli.report.baseline import rows_headline, with_rows
from dsconv_cli.report.page import Report
from dsconv_cli.sweep.keys import KEYS

#: Layers that are named one by one where a gate fails; the others are counted.
_NAMED: Final = 10


class Gates:
    """Every gate against every row, and every row against that of the baseline."""

    def __init__(self, wishes: Wishes) -> None:
        self._wishes, self._earlier = wishes, wishes.earlier
        self._named: list[tuple[str, Verdict]] = []
        self._judged: Counter[tuple[str, str]] = Counter()
        self._failed: Counter[tuple[str, str]] = Counter()

    @property
    def failed(self) -> int:
        """How often one failed."""
        return self._failed.total()

    def add(self, one: Comparison) -> None:
        """As `Outlet`."""
        for verdict in self._verdicts_on(one):
            gate = (verdict.key, verdict.option)
            self._judged[gate] += 1
            if not verdict.passed:
                self._failed[gate] += 1
                if len(self._named) < _NAMED:
                    self._named.append((one.label, verdict))

    def _verdicts_on(self, one: Comparison) -> Iterator[Verdict]:
        # What could not be measured at a layer is told and makes the run fail; there is nothing to judge.
        lost = tuple(f"{name}." for name in KEYS.missing(one))
        yield from check(KEYS, one, [gate for gate in self._wishes.to.gates if not gate.key.startswith(lost)])
        if self._earlier is not None:
            yield from self._earlier.add(one)

    def verdicts(self) -> tuple[Verdict, ...]:
        """The failures by their layers, and the gates that passed at all of them."""
        named = [one.at(layer) for layer, one in self._named]
        passed = [
            _passed(key, option, judged)
            for (key, option), judged in self._judged.items()
            if not self._failed[key, option]
        ]
        more = self._more()
        return (*named, *([Verdict("gates", "", False, lambda: more)] if more else []), *passed)

    def _more(self) -> str:
        more = self.failed - len(self._named)
        return f"{more:,} more times, {self.failed:,} in all" if more else ""

    def judged(self, report: Report) -> Report:
        """A report of all rows, with what the gates came to, and what changed since the baseline."""
        report = report._replace(verdicts=self.verdicts())
        return report if self._earlier is None else with_rows(report, self._earlier.beside(whole=self._wishes.whole))

    def finish(self) -> None:
        """As `Outlet`: say which failed, and what changed, unless stdout has done so."""
        wishes, streams = self._wishes, self._wishes.streams
        if self._earlier is not None and not wishes.page_on_stdout:
            streams.note(rows_headline(self._earlier.beside(whole=wishes.whole)))
        if wishes.page_on_stdout and wishes.to.annotates:
            return
        for layer, verdict in self._named:
            say("error", f"gate failed at {layer}: {verdict.message}", streams.color)
        if more := self._more():
            say("error", f"gate failed {more}", streams.color)


def _passed(key: str, option: str, layers: int) -> Verdict:
    return Verdict(key, option, True, lambda: f"{key} of {many(layers, 'layer')} ({option})")
