"""Which dialect a model is asked in, when nobody says: by its name, its configuration, its template."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pytest_vlmrobust.errors import UsageError
from pytest_vlmrobust.models.dialects import families
from pytest_vlmrobust.models.dialects.registry import find_dialect, get_dialect, own_dialect
from pytest_vlmrobust.models.dialects.wording import Dialect

DIALECT_KEY = "vlmrobust_dialect"
"""Key of a folder's config.json that names the dialect the model was trained on."""


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![a-z0-9])(?:{pattern})(?![a-z])", re.IGNORECASE)


_TRAINED = (
    (_words("spacer"), families.SPACER),
    (_words("video[-_]?r1"), families.VIDEO_R1),
    (_words("vision[-_]?r1"), families.VISION_R1),
    (_words("vlaa[-_]?thinker"), families.VLAA_THINKER),
    (_words("vigorl"), families.VIGORL),
)
"""What stands in names of models that were trained from others."""

_BASES = (
    (_words(r"internvl\d*(?:[._]\d+)?[-_](?:[\w.-]*[-_.])?mpo"), families.INTERNVL3_MPO),
    (_words("internvl3"), families.INTERNVL3),
    (
        _words(r"qwen3[-_]?vl[-_](?:[\w.-]*[-_.])?(?<!no[-_.])(?<!non[-_.])(?<!not[-_.])thinking"),
        families.QWEN3_VL_THINKING,
    ),
    (_words("qwen3[-_]?vl"), families.QWEN3_VL),
    (_words(r"qwen2[._]5[-_]?vl"), families.QWEN2_5_VL),
    (_words("smolvlm2"), families.SMOLVLM2),
    (_words("gemma[-_]?3"), families.GEMMA3),
)
"""What stands in names of others; looked for after the former."""

_TYPES = {
    "qwen2_5_vl": families.QWEN2_5_VL,
    "qwen3_vl": families.QWEN3_VL,
    "qwen3_vl_moe": families.QWEN3_VL,
    "internvl": families.INTERNVL3,
    "smolvlm": families.SMOLVLM2,
    "gemma3": families.GEMMA3,
}
"""``model_type`` of config.json."""

_THINKS_BY_ITSELF = ("<think>", "reasoning_content")


def match_name(model: str) -> Dialect | None:
    """Return the dialect for a model's name, or None when the name tells nothing.

    Of a hub id, the organization counts where it is the name of a family and the model's own name tells no
    more than what it was trained from. Of a path, the last two parts are looked at, the last one first.

    >>> match_name("UCSC-VLAA/VLAA-Thinker-Qwen2.5VL-7B").name
    'vlaa-thinker'
    """
    parts = Path(model.partition("@")[0]).parts[-2:]
    own = own_dialect("/".join(parts))
    if own is not None or not parts:
        return own
    if len(parts) == 1 or _is_path(model):
        return next((found for part in reversed(parts) if (found := _family(part)) is not None), None)
    organization, name = parts
    trained = _first(_TRAINED, name) or next((d for p, d in _TRAINED if p.fullmatch(organization)), None)
    return trained or _first(_BASES, name)


def _family(name: str) -> Dialect | None:
    return _first(_TRAINED, name) or _first(_BASES, name)


def _first(patterns: Iterable[tuple[re.Pattern[str], Dialect]], name: str) -> Dialect | None:
    return next((dialect for pattern, dialect in patterns if pattern.search(name)), None)


def _is_path(model: str) -> bool:
    """Whether a name with a slash is a path, and no hub id."""
    path = Path(model.partition("@")[0])
    return len(path.parts) != 2 or model.startswith(("/", ".", "~")) or path.exists()


def match_dialect(spec: str, config: Mapping[str, Any], template: str | None) -> Dialect:
    """Return the dialect for a model's folder.

    The first that tells decides: the name that it was asked for by (a hub id, or the name of a folder),
    the name that config.json was made under, ``model_type`` together with the chat template.

    Args:
        spec: what the user named.
        config: its config.json.
        template: its chat template, or None.
    """
    for name in (spec, config.get("_name_or_path")):
        found = match_name(name) if isinstance(name, str) else None
        if found is not None:
            return found
    found = _TYPES.get(str(config.get("model_type")), families.PLAIN)
    if found is families.QWEN3_VL and template and any(sign in template for sign in _THINKS_BY_ITSELF):
        return families.QWEN3_VL_THINKING
    return found


def expected_limit(spec: str, dialect: str) -> int | None:
    """Return the most tokens of a reply by the dialect that a model will be asked in, if that is known.

    Nothing is downloaded: of a model on the hub only the name is looked at.

    Args:
        spec: the model.
        dialect: what the user asked for.

    Raises:
        UsageError: there is no such dialect.
    """
    chosen = find_dialect(dialect) or _by_folder(Path(spec)) or match_name(spec)
    return None if chosen is None else chosen.max_new_tokens


def _by_folder(folder: Path) -> Dialect | None:
    """Return what a local folder tells; None for one that cannot be read: loading it says why."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        named = config.get(DIALECT_KEY)
        return match_dialect(str(folder), config, None) if named is None else get_dialect(named)
    except (OSError, ValueError, AttributeError, TypeError, UsageError):
        return None
