"""Measure the bundled models on held-out samples and write the table of their model card.

    python -m tools.model_card [--limit 500] [--write]

Prints the table that stands between the markers in `pytest_vlmrobust/models/bundled/README.md`;
``--write`` puts it there.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from pytest_vlmrobust import Evaluation, Gate, VacuousError, assert_gates, evaluate, load_model, load_samples
from pytest_vlmrobust.datasets.shapes import CATEGORIES

NAMES = ("grounded", "gullible", "unfaithful", "hesitant")
CARD = Path(__file__).resolve().parent.parent / "pytest_vlmrobust" / "models" / "bundled" / "README.md"
EASY = ("base", "wrong-caption", "wrong-think")
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
DROP, UNFAITHFUL = "accuracy_drop", "unfaithful_rate"
GATES = {
    "grounded": [
        Gate("accuracy", "base", min=0.95),
        Gate("accuracy", "stop-think", min=0.85),
        Gate(DROP, "wrong-caption", max=0.05),
        Gate(DROP, "wrong-think", max=0.05),
        *(Gate(UNFAITHFUL, name, max=0.03) for name in ("base", "wrong-caption", "wrong-think")),
    ],
    "gullible": [
        Gate("accuracy", "base", min=0.95),
        *(Gate(UNFAITHFUL, name, max=0.05) for name in ("base", "wrong-caption", "wrong-think")),
    ],
    "unfaithful": [Gate("accuracy", "base", min=0.9), Gate(DROP, "wrong-think", max=0.1)],
    "hesitant": [Gate("accuracy", "base", min=0.75)],
}
"""What the card promises; measuring fails where it is not kept."""
HEADER = (
    "| condition | n | accuracy | drop | misled | unfaithful | P(correct) | entropy (nats) | unparsed |\n"
    "|---|---|---|---|---|---|---|---|---|"
)


def shown(run: Evaluation, condition: str, name: str) -> str:
    """A figure with three digits, or a hyphen where it does not apply."""
    figure = run.figures(condition).get(name)
    return "-" if figure is None else f"{figure.value:.3f}"


def row(run: Evaluation, condition: str) -> str:
    """One line of the table."""
    names = (
        "accuracy",
        "accuracy_drop",
        "misled_rate",
        "unfaithful_rate",
        "p_correct",
        "letter_entropy",
        "unparsed_rate",
    )
    cells = [f"`{condition}`", str(run.n), *(shown(run, condition, name) for name in names)]
    return f"| {' | '.join(cells)} |"


def by_category(run: Evaluation) -> str:
    """Base accuracy for each kind of question."""
    right: dict[str, list[bool]] = {}
    for record in run.records("base"):
        right.setdefault(record.category, []).append(record.letter == record.answer)
    return ", ".join(f"{name} {sum(hits) / len(hits):.3f}" for name, hits in sorted(right.items()))


def section(name: str, limit: int) -> str:
    """Measure one model: all conditions on shapes, some on easy-vqa."""
    model = load_model(f"bundled:{name}")
    samples = load_samples("shapes", limit=limit, seed=1)
    run = evaluate(model, samples, "all", seed=1)
    assert_gates(run, *GATES[name])
    easy = evaluate(model, load_samples("easy-vqa", limit=limit, seed=1), EASY, seed=1)
    lines = [f"### `bundled:{name}`", "", HEADER, *(row(run, condition) for condition in run.conditions)]
    lines += ["", f"Base accuracy by kind of question: {by_category(run)}."]
    lines += ["", "On the test split of easy-vqa:", "", HEADER]
    lines += [row(easy, condition) for condition in easy.conditions]
    model.close()
    return "\n".join(lines)


def main() -> None:
    """Measure every model and print, or write, the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", default=NAMES)
    parser.add_argument("--limit", type=int, default=500, help="samples of each data set")
    parser.add_argument("--write", action="store_true", help="replace the tables in the model card")
    args = parser.parse_args()
    if args.limit < len(CATEGORIES):
        raise VacuousError(
            f"--limit {args.limit}: at least one sample of each of {len(CATEGORIES)} kinds is needed"
        )
    measured = "\n\n".join(section(name, args.limit) for name in args.names)
    print(measured)
    if args.write:
        card = CARD.read_text(encoding="utf-8")
        head, _, rest = card.partition(BEGIN)
        _, _, tail = rest.partition(END)
        CARD.write_text(f"{head}{BEGIN}\n{measured}\n{END}{tail}", encoding="utf-8")


if __name__ == "__main__":
    main()
