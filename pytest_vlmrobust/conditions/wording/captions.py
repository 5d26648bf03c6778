"""Claims for questions whose options are captions: a picture shows what the caption says."""

from __future__ import annotations

import re

from pytest_vlmrobust.conditions.wording import words as w
from pytest_vlmrobust.conditions.wording.english import is_adjective, is_verb_in_ing
from pytest_vlmrobust.conditions.wording.rules import Option, rule

_CAPTION = r"(?:captions?|descriptions?|statements?|sentences?|texts?|titles?)"
_PICTURE = re.compile(r"\b(?:image|picture|photo|photograph|scene|figure|painting|drawing)\b", re.IGNORECASE)
_IS_PICTURE = re.compile(
    r"(?:an?|the|this) (?:[\w-]+ ){0,2}"
    r"(?:photo|photograph|picture|image|drawing|painting|sketch|map|view|close-up|portrait|snapshot|"
    r"diagram) (?:of|showing|with) ",
    re.IGNORECASE,
)
_DESCRIBES = (
    r"(?:best |better |correctly |accurately )?"
    r"(?:describes?|matches|match|fits|fit|depicts?|summarizes?|goes with)"
)
_ONE_OF = r"(?:of (?:these|the following|the options|the choices)(?: \w+)? )?"


def _caption(match: re.Match[str], option: Option) -> str | None:
    """Word "which caption describes the image" and a caption that is no sentence."""
    first = option.mid.lower().split()[0]
    if first in w.PREPOSITIONS or is_verb_in_ing(first) or all(map(is_adjective, option.mid.split())):
        return None
    if len(option.mid.split()) < 2:
        return None
    if _IS_PICTURE.match(option.mid):
        return f"this is {option.mid}"
    found = _PICTURE.search(match.string)
    return f"the {found[0].lower() if found else 'image'} shows {option.mid}"


CAPTION_RULES = (
    rule(
        "caption",
        r"(?:which|what)\b(?!.*\b(?:says?|reads?|written|printed|mean|texts? (?:is|are|on|appears?))\b)"
        rf"[^,]*?\b{_CAPTION}\b.*",
        _caption,
    ),
    rule(
        "caption",
        rf"(?:which|what) (?:one )?{_ONE_OF}{_DESCRIBES} .+",
        _caption,
    ),
)
