"""Computes what a study costs: GPU hours, requests and disk. ``python cost.py [REPORT ...]``.

Without a report everything comes from costs.toml. Reports of a pilot run (``--vlm-limit=50
--vlm-json=REPORT``) replace the lengths of replies, the share of them that is judged and the size of
a record.
"""

from __future__ import annotations

import json
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from study import Study

HERE = Path(__file__).parent
STOP_THINK_TOKENS = 5
HOUR = 3600
GB = 1e9


def pilot(reports: Iterable[Path], study: Study) -> dict[str, dict[str, float]]:
    """What reports have measured, by model: tokens of a reply, share judged, bytes of a record."""
    records: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for path in reports:
        for run in json.loads(path.read_text(encoding="utf-8"))["runs"]:
            records[study.name_of(run["provenance"]["model"]["spec"])] += run["records"]
    return {model: _measured(listed) for model, listed in records.items()}


def _measured(records: list[dict[str, Any]]) -> dict[str, float]:
    judged = [record["verdict"] != "not_applicable" for record in records]
    sizes = [len(json.dumps(record, indent=2)) for record in records]
    return {
        "tokens": sum(record["tokens"] for record in records) / len(records),
        "judged": sum(judged) / len(records),
        "record_bytes": sum(sizes) / len(records),
    }


class Costs:
    """What a study costs under assumptions, or under what was measured instead of them.

    Args:
        given: the content of costs.toml.
        measured: what `pilot` returns.
    """

    def __init__(self, given: Mapping[str, Any], measured: Mapping[str, Mapping[str, float]]) -> None:
        self._given = given
        self._measured = measured
        self.rows: int = sum(entry["rows"] for entry in given["benchmarks"].values())
        self.replies: int = self.rows * given["conditions"]

    def tokens(self, model: str) -> float:
        """Mean tokens of a reply of a model, over all conditions."""
        if model in self._measured:
            return float(self._measured[model]["tokens"])
        conditions, long = self._given["conditions"], self._given["models"][model]["reply_tokens"]
        return float(((conditions - 1) * long + STOP_THINK_TOKENS) / conditions)

    def judged(self, model: str) -> float:
        """How many replies of a model each judge is given."""
        return float(self.replies * self._measured.get(model, self._given)["judged"])

    def model_hours(self, model: str) -> float:
        """GPU hours of a model: its images are read once for all conditions of a row, its texts for each."""
        machine, text = self._given["machine"], self._given["models"][model]["text_tokens"]
        images = sum(entry["rows"] * entry["image_tokens"] for entry in self._given["benchmarks"].values())
        read = images + self.replies * text
        seconds = read / machine["prefill"] + self.replies * self.tokens(model) / machine["decode"]
        return float(seconds) / HOUR

    def judge_hours(self, judge: str) -> float:
        """GPU hours of a judge, for the replies of all models."""
        about = self._given["judges"][judge]
        seconds = sum(
            self.judged(model)
            * (
                (about["case_tokens"] + self.tokens(model)) / about["prefill"]
                + about["reply_tokens"] / about["decode"]
            )
            for model in self._given["models"]
        )
        return float(seconds * about["gpus"]) / HOUR

    def disk(self) -> dict[str, float]:
        """GB of each kind of file."""
        given, models = self._given, self._given["models"]
        written = {model: self.replies * given["reply_bytes"] * self.tokens(model) for model in models}
        sizes = {m: self._measured[m]["record_bytes"] if m in self._measured else None for m in models}
        return {
            "benchmarks": sum(entry["disk_gb"] for entry in given["benchmarks"].values()),
            "models": sum(entry["weights_gb"] for entry in models.values()),
            "judges": sum(entry["weights_gb"] for entry in given["judges"].values()),
            "store": sum(self.replies * given["store_bytes"] + written[model] for model in models) / GB,
            "report": sum(
                # A record has the thought twice: in the reply, and by itself.
                2 * written[model] + self.replies * given["record_bytes"]
                if size is None
                else self.replies * size
                for model, size in sizes.items()
            )
            / GB,
        }

    def lines(self) -> Iterator[str]:
        """The whole account as Markdown."""
        given = self._given
        about = ", ".join(name for name, entry in given["benchmarks"].items() if entry.get("about"))
        yield f"{self.rows:,} rows (about, since so are {about}), {given['conditions']} conditions"
        yield ""
        yield "| | requests | tokens of a reply | GPU hours |"
        yield "|---|---|---|---|"
        hours = 0.0
        for model in given["models"]:
            hours += (own := self.model_hours(model))
            mark = " (measured)" if model in self._measured else ""
            yield f"| {model} | {self.replies:,} | {self.tokens(model):.0f}{mark} | {own:.1f} |"
        judged = sum(map(self.judged, given["models"]))
        for judge, entry in given["judges"].items():
            hours += (own := self.judge_hours(judge))
            yield f"| {judge}, {entry['gpus']} GPU | {judged:,.0f} | {entry['reply_tokens']} | {own:.1f} |"
        requests = len(given["models"]) * self.replies + len(given["judges"]) * judged
        yield f"| **in all** | **{requests:,.0f}** | | **{hours:.0f}** |"
        yield ""
        disk = self.disk()
        parts = ", ".join(f"{name} {size:.1f}" for name, size in disk.items())
        yield f"Disk: {sum(disk.values()):.0f} GB ({parts})"


def account(reports: Iterable[Path] = ()) -> str:
    """Compute what the study of zhao2026.toml costs, as Markdown."""
    study = Study.read(HERE / "zhao2026.toml")
    given = tomllib.loads((HERE / "costs.toml").read_text(encoding="utf-8"))
    return "\n".join(Costs(given, pilot(reports, study)).lines())


if __name__ == "__main__":
    print(account(map(Path, sys.argv[1:])))
