"""Claims for questions that begin with how, when or why."""

from __future__ import annotations

import re

from pytest_vlmrobust.conditions.wording import words as w
from pytest_vlmrobust.conditions.wording.clauses import split_predicate, split_verb
from pytest_vlmrobust.conditions.wording.english import (
    head_noun,
    is_adjective,
    is_comparative,
    is_participle,
    is_plural,
    is_quantity,
    singular,
)
from pytest_vlmrobust.conditions.wording.rules import BE, DO, Option, rule
from pytest_vlmrobust.conditions.wording.verbs import affirmed, third_person

_ABOUT = r"(?:at|about|over|under|exactly|around|just|less|fewer|more)"
_MEASURED = "|".join(sorted(w.MEASURE_ADJECTIVES))
_KEPT_WITH_UNIT = {"tall", "long", "wide", "high", "deep", "old", "thick"}
_VERBS = "|".join(sorted((w.VERBS - {"be"}) | {"has", "had", "can", "could", "will", "would"}))


def counted(option: Option, noun: str) -> str | None:
    """Join a number and a noun: "1" + "dogs" -> "1 dog"; None where the option counts nothing."""
    text = option.mid
    amount = is_quantity(text) or (re.match(_ABOUT, text, re.IGNORECASE) and re.search(r"\d", text))
    if not amount or text.lower().split()[0] in {"none", "no"}:
        return None
    if head_noun(noun) in text.lower().split() or singular(head_noun(noun)) in text.lower().split():
        return text
    if not _is_one(text):
        return f"{text} {noun}"
    if head_noun(noun) in w.IN_PAIRS:
        return f"{text} pair of {noun}"
    return None if singular(noun) == noun and is_plural(noun) else f"{text} {singular(noun)}"


def _is_one(text: str) -> bool:
    return text.lower().split()[0] in {"1", "one"} and len(text.split()) == 1


def _how_many_are(match: re.Match[str], option: Option) -> str | None:
    noun, rest = match["n"], match["rest"] or ""
    be = {"is": "is", "are": "is", "was": "was", "were": "was"}[match["be"].lower()]
    if not _is_one(option.mid):
        be = {"is": "are", "was": "were"}[be]
    if noun.lower().startswith("of "):
        return f"{option.mid} {noun} {be} {rest}" if is_quantity(option.mid) and rest != "there" else None
    things = counted(option, noun)
    rest = rest.removeprefix("there").strip()
    return None if things is None else f"there {be} {things} {rest}".strip()


def _how_many_do(match: re.Match[str], option: Option) -> str | None:
    split, things = split_verb(match["x"]), counted(option, match["n"])
    if split is None or things is None:
        return None
    subject, verb, rest = split
    return f"{affirmed(subject, match['do'], verb)} {things} {rest}".strip()


def _how_many_verb(match: re.Match[str], option: Option) -> str | None:
    things, verb = counted(option, match["n"]), match["v"].lower()
    if things is None:
        return None
    if _is_one(option.mid) and verb in w.VERBS:
        verb = third_person(verb)
    return f"{things} {verb} {match['rest']}"


def _how_many_alone(match: re.Match[str], option: Option) -> str | None:
    things = counted(option, match["n"])
    return None if things is None else f"there {'is' if _is_one(option.mid) else 'are'} {things}"


def _how_measured(match: re.Match[str], option: Option) -> str | None:
    """Word "how tall is X": a number with its unit, or an adjective."""
    adjective, be, thing, text = match["adj"].lower(), match["be"].lower(), match["x"], option.mid
    compared = re.fullmatch(r"(?P<a>.+) (?:compared|relative) (?:to|with) (?P<b>.+)", thing)
    if compared:
        than = f" than {compared['b']}" if is_comparative(text) else ""
        return f"{compared['a']} {be} {text}{than}"
    if not is_quantity(text):
        return f"{thing} {be} {text}" if is_adjective(text.split()[-1]) and adjective != "far" else None
    if adjective == "far":
        subject, _, reference = thing.partition(" from ")
        distance = match["apart"] or (f" from {reference}" if reference else " away")
        return f"{subject} {be} {text}{distance}"
    unit = f" {adjective}" if adjective in _KEPT_WITH_UNIT and adjective not in text.lower().split() else ""
    return f"{thing} {be} {text}{unit}" if len(text.split()) > 1 or not text.isdigit() else None


def _how_is(match: re.Match[str], option: Option) -> str | None:
    words, split = option.mid.lower().split(), split_predicate(match["x"])
    if split is not None and is_participle(split[1].split()[0]) and words[0] in w.PREPOSITIONS:
        return f"{split[0]} {match['be']} {split[1]} {option.mid}"
    arranged = split is not None and split[1].lower() in {
        "oriented",
        "arranged",
        "aligned",
        "positioned",
        "placed",
    }
    if split is not None and arranged and (words[0] in {"facing", "pointing", "next", "side"}):
        return f"{split[0]} {match['be']} {option.mid}"
    return f"{match['x']} {match['be']} {option.mid}" if is_adjective(words[-1]) else None


def _described(match: re.Match[str], option: Option) -> str | None:
    """Word "how would you describe the mood"."""
    be = "are" if is_plural(match["x"]) else "is"
    return f"{match['x']} {be} {option.mid}" if is_adjective(option.mid.split()[-1]) else None


_REASON = re.compile(r"(?:because|due to|in order to|to) ", re.IGNORECASE)
_CLOCK = re.compile(r"\d{1,2}(?:[:.]\d\d)?(?: ?[ap]\.?m\.?)?|noon|midnight", re.IGNORECASE)


def _when_does(match: re.Match[str], option: Option) -> str | None:
    """Word "when does the museum open on Sunday"."""
    split = split_verb(match["x"])
    if split is None:
        return None
    subject, verb, rest = split
    done, time = f"{affirmed(subject, match['do'], verb)} {rest}".strip(), option.mid
    if _CLOCK.fullmatch(time):
        return f"{done} at {time}"
    return f"{done} {time}" if time.lower().split()[0] in w.PREPOSITIONS else None


def _when(match: re.Match[str], option: Option) -> str | None:
    split, first = split_predicate(match["x"]), option.mid.lower().split()[0]
    if split is None or first not in w.PREPOSITIONS | {"before", "after", "during"}:
        return None
    return f"{split[0]} {match['be']} {split[1]} {option.mid}"


def _why(match: re.Match[str], option: Option) -> str | None:
    split = split_predicate(match["x"])
    if split is None or not _REASON.match(option.text):
        return None
    reason = option.text[:1].lower() + option.text[1:]
    return f"{split[0]} {match['be']} {split[1]} {reason}"


def _why_does(match: re.Match[str], option: Option) -> str | None:
    """Word "why did the crowd gather"."""
    split = split_verb(match["x"])
    if split is None or not _REASON.match(option.text):
        return None
    subject, verb, rest = split
    reason = option.text[:1].lower() + option.text[1:]
    return f"{affirmed(subject, match['do'], verb)} {rest} {reason}"


def _way(match: re.Match[str], option: Option) -> str | None:
    """Word "how do you get to the fountain" and what is to be done."""
    return f"to {match['to']}, {option.mid}" if option.mid.split()[0].lower() in w.VERBS else None


HOW_RULES = (
    rule("how-many", rf"how many (?P<n>[^,]+?) {BE} (?P<rest>.+)", _how_many_are),
    rule("how-many-do", rf"how many (?P<n>[^,]+?) {DO} (?P<x>.+)", _how_many_do),
    rule("how-many-verb", rf"how many (?P<n>[^,]+?) (?P<v>{_VERBS}) (?P<rest>.+)", _how_many_verb),
    rule(
        "how-many",
        r"how many (?P<n>(?!.*\b(?:is|are|was|were|do|does|did|can|could)\b)[^,]+)",
        _how_many_alone,
    ),
    rule(
        "how-measured", rf"how (?P<adj>{_MEASURED})(?P<apart> apart| away)? {BE} (?P<x>[^,]+)", _how_measured
    ),
    rule("how", rf"how {BE} (?P<x>[^,]+)", _how_is),
    rule("how", r"how (?:would|can|could|do) you describe (?P<x>the [^,]+)", _described),
    rule("how-look", r"how does (?P<x>[^,]+?) (?P<v>look|feel|appear|seem)", "{x} {v}s {o}"),
    rule("how-much", r"how much does (?P<x>[^,]+?) (?P<v>cost|weigh)", "{x} {v}s {o}"),
    rule("when-does", rf"(?:when|(?:at )?(?:what|which) time) {DO} (?P<x>[^,]+)", _when_does),
    rule("when", rf"when {BE} (?P<x>[^,]+)", _when),
    rule("way", r"how (?:do|can|should|would) (?:you|we|i|one) (?P<to>(?:get|go) [^,]+)", _way),
    rule("why-does", rf"why {DO} (?P<x>[^,]+)", _why_does),
    rule("why", rf"why {BE} (?P<x>[^,]+)", _why),
)
