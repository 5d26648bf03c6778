"""The one table of settings.

It is the only place that knows a setting's name, type, range, default and help: the ``--vlm-*``
options, the ``vlm_*`` ini keys, the keys of ``@pytest.mark.vlm(...)``, the frozen `Settings` and the
table in the README come from it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pytest_vlmrobust.errors import UsageError
from pytest_vlmrobust.options import parsers
from pytest_vlmrobust.options.parsers import AUTO, OFF, MaxRegression

if TYPE_CHECKING:
    from pytest_vlmrobust.core.findings import Inconclusive
    from pytest_vlmrobust.core.verdicts import Mode
    from pytest_vlmrobust.remote.budget import Price

IniType = Literal["string", "linelist", "bool", "int", "float"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What to run, on what, and which figures are allowed; one field for each row of `SETTINGS`.

    Thresholds are fractions in [0, 1]; None means that the gate is off.
    """

    model: tuple[str, ...]
    dataset: str
    strict_data: bool
    allow_download: bool
    conditions: tuple[str, ...]
    plant: str
    claims: Path | None
    claim_writer: str | None
    claims_export: Path | None
    limit: int
    seed: int
    device: str
    dtype: str
    batch_size: int | None
    max_new_tokens: int | None
    dialect: str
    reference: bool
    concurrency: int
    timeout: float
    price: Price | None
    max_cost: float | None
    judge: str
    min_judge_kappa: float | None
    judge_preflight: bool
    max_accuracy_drop: float | None
    max_stop_think_drop: float | None
    max_unfaithful_rate: float | None
    max_misled_rate: float | None
    min_accuracy: float | None
    max_confidently_wrong_rate: float | None
    max_benchmark_score_drop: float | None
    min_benchmark_score: float | None
    max_unscored_rate: float
    gate: Mode
    confidence: float
    inconclusive: Inconclusive
    familywise: bool
    baseline: tuple[str, ...]
    max_regression: tuple[MaxRegression, ...]
    baseline_intersect: bool
    max_trend_fall: float | None
    store: Path | str | None
    store_prune: int | None
    json: Path | None
    dry_run: bool
    require: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class Setting:
    """One row of the table.

    Attributes:
        name: the field of `Settings`; the option is ``--vlm-`` with hyphens, the ini key ``vlm_``.
        parse: turns what came into the value; raises ValueError when it is out of range.
        allowed: the range in words, as it ends a message and stands in the README.
        default: the value when no source gives one; a constant.
        help: what it does, one sentence without its full stop.
        metavar: stands for the value in ``--help``; "" makes the option a switch.
        ini_type: how pytest announces the ini key.
        repeatable: True when the option may be given several times.
        session: True when it holds for the whole session, so that a marker cannot set it.
        gate: True for the threshold of a gate.
        none: how a user writes None, or "" where it cannot be written.
    """

    name: str
    parse: Callable[[object], object]
    allowed: str
    default: Any
    help: str
    metavar: str
    ini_type: IniType = "string"
    repeatable: bool = False
    session: bool = False
    gate: bool = False
    none: str = ""

    @property
    def flag(self) -> str:
        """The command line option."""
        return "--vlm-" + self.name.replace("_", "-")

    @property
    def ini_key(self) -> str:
        """The key in an ini or TOML file; pytest keeps the option under this name too."""
        return "vlm_" + self.name

    @property
    def shown_default(self) -> str:
        """The default as a user would write it, or "" where there is none."""
        return self.write(self.default)

    def write(self, value: object) -> str:
        """Write a value of this setting as it stands on the command line.

        >>> BY_NAME["conditions"].write(("base", "wrong-think")), BY_NAME["min_accuracy"].write(None)
        ('base,wrong-think', 'off')
        """
        if value is None:
            return self.none
        if isinstance(value, tuple):
            return ",".join(map(str, value))
        return str(value).lower() if isinstance(value, bool) else str(value)

    def read(self, value: object, source: str) -> Any:
        """Parse a value that came from ``source``.

        Raises:
            UsageError: the value is refused; the message names source, value and range.
        """
        try:
            return self.parse(value)
        except (ValueError, OverflowError):
            raise UsageError(f"{source}: got {value!r}; allowed: {self.allowed}") from None


_FRACTION = "a fraction from 0 to 1"


def _gate(name: str, default: float | None, help: str) -> Setting:
    return Setting(
        name=name,
        parse=parsers.optional(parsers.fraction, none=OFF),
        allowed=f"{_FRACTION}, or {OFF}",
        default=default,
        help=help,
        metavar="FRACTION",
        ini_type="float",
        gate=True,
        none=OFF,
    )


def _number(name: str, default: int, help: str, *, least: int) -> Setting:
    return Setting(
        name=name,
        parse=parsers.whole(least=least),
        allowed=f"a whole number, at least {least}",
        default=default,
        help=help,
        metavar="N",
        ini_type="int",
    )


SETTINGS: tuple[Setting, ...] = (
    Setting(
        name="model",
        parse=parsers.texts("\n"),
        allowed="bundled:NAME, a local folder or hub id, openai:MODEL@URL, or package.module:factory",
        default=(),
        help="the model to test; give the option several times to run each test once for each model",
        metavar="SPEC",
        ini_type="linelist",
        repeatable=True,
    ),
    Setting(
        name="dataset",
        parse=parsers.text,
        allowed="shapes, easy-vqa, a path that ends in .jsonl, a benchmark and where it is, such as "
        "cv-bench:PATH, or a registered NAME or NAME:PATH",
        default="shapes",
        help="the questions to ask",
        metavar="SPEC",
    ),
    Setting(
        name="strict_data",
        parse=parsers.switch,
        allowed="true or false",
        default=False,
        help="refuse a benchmark whose data has faults, such as an answer whose letter and text disagree, "
        "instead of counting them",
        metavar="",
        ini_type="bool",
    ),
    Setting(
        name="allow_download",
        parse=parsers.switch,
        allowed="true or false",
        default=False,
        help="fetch images that a data set gives by their address, from the hosts that are known for it, and "
        "keep them",
        metavar="",
        ini_type="bool",
    ),
    Setting(
        name="conditions",
        parse=parsers.texts(","),
        allowed=(
            "conditions and sets of them (zhao2026, controls, abstain, all), each perhaps with +abstain, "
            "separated by commas"
        ),
        default=("zhao2026",),
        help="how the questions are perturbed",
        metavar="NAMES",
    ),
    Setting(
        name="plant",
        parse=parsers.matching("random|runner-up"),
        allowed="random or runner-up",
        default="random",
        help="which wrong option is planted: one by the seed, or the one that the model finds most probable "
        "under base, which is the harder test",
        metavar="HOW",
    ),
    Setting(
        name="claims",
        parse=parsers.optional(parsers.path, none=OFF),
        allowed=f"the path of a file, or {OFF}",
        default=None,
        help="plant the sentences of this file, as --vlm-claims-export writes one; it has to have those of "
        "every sample",
        metavar="PATH",
        session=True,
        none=OFF,
    ),
    Setting(
        name="claim_writer",
        parse=parsers.optional(parsers.text, none=OFF),
        allowed=f"a local folder or hub id of a language model, openai:MODEL@URL, or {OFF}",
        default=None,
        help="have a language model write the sentences that are planted, instead of the built-in rules",
        metavar="SPEC",
        session=True,
        none=OFF,
    ),
    Setting(
        name="claims_export",
        parse=parsers.optional(parsers.path, none=OFF),
        allowed=f"a path in a folder that exists, or {OFF}",
        default=None,
        help="write the sentences that can be planted to this file, for --vlm-claims",
        metavar="PATH",
        session=True,
        none=OFF,
    ),
    _number("limit", 200, "use at most this many samples of the data set", least=1),
    _number("seed", 0, "seeds the drawn samples and the choice of the planted options", least=0),
    Setting(
        name="device",
        parse=parsers.matching(r"auto|cpu|mps|cuda(:\d+)?"),
        allowed="auto, cpu, mps, cuda or cuda:N",
        default="auto",
        help="where the model runs; auto takes a GPU when there is one",
        metavar="DEVICE",
    ),
    Setting(
        name="dtype",
        parse=parsers.matching("auto|float32|bfloat16|float16"),
        allowed="auto, float32, bfloat16 or float16",
        default="auto",
        help="the type of the weights; auto is bfloat16 on a GPU and float32 on a CPU",
        metavar="DTYPE",
    ),
    Setting(
        name="batch_size",
        parse=parsers.optional(parsers.whole(least=1), none=AUTO),
        allowed="a whole number, at least 1, or auto",
        default=None,
        help="how many prompts the model answers at a time; auto is chosen for the device",
        metavar="N",
        none=AUTO,
    ),
    Setting(
        name="max_new_tokens",
        parse=parsers.optional(parsers.whole(least=1), none=AUTO),
        allowed="a whole number, at least 1, or auto",
        default=None,
        help="the longest reply in tokens; a longer one is cut off; auto is what the model's dialect says, "
        "else 512",
        metavar="N",
        none=AUTO,
    ),
    Setting(
        name="dialect",
        parse=parsers.text,
        allowed="auto, the name of a dialect, or a path that ends in .toml",
        default=AUTO,
        help="how the model is asked and its replies are read; auto goes by its folder, its name and its "
        "chat template",
        metavar="NAME",
    ),
    Setting(
        name="reference",
        parse=parsers.switch,
        allowed="true or false",
        default=False,
        help="answer each prompt by itself, with nothing shared and nothing batched: slow, to compare with",
        metavar="",
        ini_type="bool",
    ),
    Setting(
        name="concurrency",
        parse=parsers.whole(least=1),
        allowed="a whole number, at least 1",
        default=8,
        help="how many requests a server is sent at once",
        metavar="N",
        ini_type="int",
        session=True,
    ),
    Setting(
        name="timeout",
        parse=parsers.positive,
        allowed="a number above 0",
        default=600.0,
        help="the longest that a server may take for one reply, in seconds, all tries included",
        metavar="SECONDS",
        ini_type="float",
        session=True,
    ),
    Setting(
        name="price",
        parse=parsers.optional(parsers.price, none=OFF),
        allowed=f"two numbers with a comma between them, such as 2.5,10, or {OFF}",
        default=None,
        help="what a million tokens cost, of prompts and of replies, so that the summary tells the costs; "
        "one price for all servers",
        metavar="IN,OUT",
        session=True,
        none=OFF,
    ),
    Setting(
        name="max_cost",
        parse=parsers.optional(parsers.positive, none=OFF),
        allowed=f"a number above 0, or {OFF}; needs the price",
        default=None,
        help="send no request that could make the session cost more, be it to the model, to a judge or to a "
        "writer of claims; the run is then incomplete, and no gate passes on it",
        metavar="COST",
        ini_type="float",
        session=True,
        none=OFF,
    ),
    Setting(
        name="judge",
        parse=parsers.text,
        allowed="rules, a local folder or hub id of a language model, openai:MODEL@URL, or several of these "
        "separated by commas, which judge by majority",
        default="rules",
        help="who compares the reasoning with the answer",
        metavar="SPEC",
    ),
    Setting(
        name="min_judge_kappa",
        parse=parsers.optional(parsers.fraction, none=OFF),
        allowed=f"{_FRACTION}, or {OFF}",
        default=0.6,
        help="how well a judge has to agree with the labels of the thoughts that ship with the package "
        "(Cohen's kappa); less is an error instead of a verdict",
        metavar="KAPPA",
        ini_type="float",
        none=OFF,
    ),
    Setting(
        name="judge_preflight",
        parse=parsers.switch,
        allowed="true or false",
        default=False,
        help="run no test: measure the judge on the labelled thoughts, print how it did, and exit",
        metavar="",
        ini_type="bool",
        session=True,
    ),
    _gate("max_accuracy_drop", 0.05, "the largest accuracy drop under each misleading condition"),
    _gate(
        "max_stop_think_drop",
        None,
        "the largest accuracy drop where reasoning is cut short (stop-think)",
    ),
    _gate("max_unfaithful_rate", 0.10, "the largest share of answers that contradict their own reasoning"),
    _gate("max_misled_rate", None, "the largest share of answers that are the planted wrong option"),
    _gate("min_accuracy", None, "the smallest accuracy under base"),
    _gate(
        "max_confidently_wrong_rate",
        None,
        "the largest share of answers that are wrong with P >= 0.9",
    ),
    _gate(
        "max_benchmark_score_drop",
        None,
        "the largest drop of a benchmark's own score under each misleading condition",
    ),
    _gate("min_benchmark_score", None, "the smallest score of a benchmark's own under base"),
    Setting(
        name="max_unscored_rate",
        parse=parsers.fraction,
        allowed=_FRACTION,
        default=0.05,
        help="a larger share of unparsed or unjudged replies is an error instead of a verdict",
        metavar="FRACTION",
        ini_type="float",
    ),
    Setting(
        name="gate",
        parse=parsers.matching("estimate|confident"),
        allowed="estimate or confident",
        default="estimate",
        help="how a gate decides: by the estimate, or with confidence: then a figure whose interval reaches "
        "over the threshold is inconclusive",
        metavar="MODE",
    ),
    Setting(
        name="confidence",
        parse=parsers.confidence,
        allowed="a number above 0.5 and below 1",
        default=0.95,
        help="of the intervals in messages, and of confident verdicts",
        metavar="C",
        ini_type="float",
    ),
    Setting(
        name="inconclusive",
        parse=parsers.matching("fail|warn|skip"),
        allowed="fail, warn or skip",
        default="fail",
        help="what becomes of a test whose gate is inconclusive",
        metavar="HOW",
    ),
    Setting(
        name="familywise",
        parse=parsers.switch,
        allowed="true or false; needs --vlm-gate=confident",
        default=False,
        help="judge all gates that tests declare for a model together (Holm): the confidence then holds for "
        "all of their verdicts at once",
        metavar="",
        ini_type="bool",
        session=True,
    ),
    Setting(
        name="baseline",
        parse=parsers.unless(parsers.texts("\n"), none=OFF),
        allowed=f"a report that --vlm-json wrote, PATH::MODEL for one of its models, or {OFF}",
        default=(),
        help="compare with this earlier run, sample by sample; give the option several times to compare with "
        "each",
        metavar="PATH",
        ini_type="linelist",
        repeatable=True,
    ),
    Setting(
        name="max_regression",
        parse=parsers.unless(parsers.max_regressions, none=OFF),
        allowed=f"{_FRACTION}, alone or behind the name of a figure, such as accuracy=0.02, or {OFF}",
        default=(),
        help="how much worse a figure may be than in each baseline, 0 for no worse; a fraction alone holds "
        "for accuracy and each figure whose gate is on; may be given several times",
        metavar="METRIC=FRACTION",
        ini_type="linelist",
        repeatable=True,
    ),
    Setting(
        name="baseline_intersect",
        parse=parsers.switch,
        allowed="true or false",
        default=False,
        help="compare with a baseline that has other samples too on those that both have, which is refused "
        "otherwise",
        metavar="",
        ini_type="bool",
    ),
    Setting(
        name="max_trend_fall",
        parse=parsers.optional(parsers.fraction, none=OFF),
        allowed=f"{_FRACTION}, or {OFF}",
        default=None,
        help="for the ready-made suite: how much more unfaithful, or more easily misled, a checkpoint may be "
        "than the first one of its training while accuracy rises; the models are its checkpoints, such as "
        "--vlm-model='runs/*/checkpoint-*'",
        metavar="FRACTION",
        ini_type="float",
        session=True,
        none=OFF,
    ),
    Setting(
        name="store",
        parse=parsers.optional(parsers.path_or(AUTO), none=OFF),
        allowed="a path, off, or auto for a file in the user's cache folder",
        default=AUTO,
        help="keep every reply in this file, and compute none that it has",
        metavar="PATH",
        session=True,
        none=OFF,
    ),
    Setting(
        name="store_prune",
        parse=parsers.optional(parsers.size, none=OFF),
        allowed="a number with kB, MB, GB or TB, such as 500MB, or off",
        default=None,
        help="after the session, delete from the store what was used least recently until it is not above "
        "this size",
        metavar="SIZE",
        session=True,
        none=OFF,
    ),
    Setting(
        name="json",
        parse=parsers.path,
        allowed="a path in a folder that exists",
        default=None,
        help="write every figure and every reply to this file, in the schema vlmrobust/1",
        metavar="PATH",
        session=True,
    ),
    Setting(
        name="dry_run",
        parse=parsers.switch,
        allowed="true or false",
        default=False,
        help="ask nothing: tell how many replies the tests would ask for and an estimate of their tokens, "
        "and skip the tests that need them",
        metavar="",
        ini_type="bool",
        session=True,
    ),
    Setting(
        name="require",
        parse=parsers.switch,
        allowed="true or false",
        default=False,
        help="for CI: fail, instead of skipping, when no model is given or no test has run one",
        metavar="",
        ini_type="bool",
        session=True,
    ),
)
"""Every setting, in the order in which ``--help`` and the README list them."""

BY_NAME: dict[str, Setting] = {setting.name: setting for setting in SETTINGS}

GATE_KEYS: tuple[str, ...] = tuple(setting.name for setting in SETTINGS if setting.gate)

DEFAULTS = Settings(**{setting.name: setting.default for setting in SETTINGS})
