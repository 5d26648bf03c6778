"""Claims for questions that begin with a verb and are answered with yes or no."""

from __future__ import annotations

import re

from pytest_vlmrobust.conditions.wording import words as w
from pytest_vlmrobust.conditions.wording.clauses import split_predicate, split_verb
from pytest_vlmrobust.conditions.wording.denials import is_negated
from pytest_vlmrobust.conditions.wording.english import is_participle, with_indefinite
from pytest_vlmrobust.conditions.wording.rules import BE, DO, Option, rule
from pytest_vlmrobust.conditions.wording.verbs import affirmed, agreeing

_SOME = {"anything": "something", "anyone": "someone", "anybody": "somebody"}
_WHOLE = {"all", "both", "each", "every", "everyone", "everybody", "everything"}
_INDEFINITE = w.NUMBER_WORDS | {
    *("a", "an", "some", "most", "many", "few", "several", "no", "none", "nobody", "nothing", "neither"),
    *("either", "at", "only", "exactly", "just", "about", "over", "under", "more", "less", "fewer", "half"),
    *("another", "enough", "plenty", "almost", "nearly", "multiple", "someone", "somebody", "something"),
    *("lots", "part"),
}
"""What a subject may begin with that "not" behind the verb does not deny."""
_DENIED = "it is not true that"
_NOT_DENIED_WITH_NO = re.compile(
    r"(?:no|none|nothing|nobody|neither|either|both|all|each|every|everyone|everybody|everything|someone|somebody|"
    r"something|most)\b|.*\band (?:an?|the|some|no|not|one|two)\b|.*\b(?:not|never)\b",
    re.IGNORECASE,
)
_ADVERB = re.compile(r" (?:neither|hardly|barely|scarcely|rarely|seldom|even)", re.IGNORECASE)
_RELATIVE = re.compile(r" (?:who|which|that|whose)\b", re.IGNORECASE)
"""What makes a "not" after it part of the subject: "the man who is not sitting"."""
_KEEPS_PLACE = re.compile(r"(?:still|also|already|mostly|at least|at most|probably)\b", re.IGNORECASE)
_LOSE_SENSE = {"must", "might", "may"}
"""Verbs that say something else with "not": who must not stop is forbidden to."""
_NONE = {"anything": "nothing", "anyone": "no one", "anybody": "nobody"}


def _existence(match: re.Match[str], option: Option) -> str | None:
    """Word "is there (not) X": a negated question is taken at its word, so that yes means "there is not"."""
    thing = match["x"]
    be = (
        agreeing(match["be"], thing.split(None, 1)[1])
        if re.match("any ", thing, re.IGNORECASE)
        else match["be"]
    )
    there = f"there {be.lower()}"
    if match["neg"]:
        return f"{there} not {thing}" if option.polarity else f"{there} {_some(thing)}"
    if not option.polarity and _NOT_DENIED_WITH_NO.search(thing):
        return f"{_DENIED} {there} {thing}"
    return f"{there} {_some(thing) if option.polarity else _none_of(thing)}"


def _some(thing: str) -> str:
    first, _, rest = thing.partition(" ")
    if first.lower() in _SOME:
        return f"{_SOME[first.lower()]} {rest}".strip()
    return with_indefinite(rest) if first.lower() == "any" and rest else thing


def _none_of(thing: str) -> str:
    first, _, rest = thing.partition(" ")
    if first.lower() in _NONE:
        return f"{_NONE[first.lower()]} {rest}".strip()
    if first.lower() in {"a", "an", "any", "some"} and rest:
        return "no " + re.sub(r" or an? ", " or ", rest)
    if first.lower() in w.QUANTITIES or first.isdigit() or first.lower() in w.DETERMINERS:
        return f"not {thing}"
    return f"no {thing}"


def _presence(match: re.Match[str], option: Option) -> str | None:
    """Word "is a (no) X present"."""
    noun, be, rest = match["x"], match["be"].lower(), match["rest"]
    asserted = option.polarity != (match["det"].lower() == "no")
    subject = f"{_article(match['det'], noun)}{noun}" if asserted else f"no {noun}"
    return f"{subject} {be} {rest}"


def _article(det: str, noun: str) -> str:
    if det.lower() in {"a", "an"}:
        return f"{det.lower()} "
    return with_indefinite(noun).removesuffix(noun)


def _be(match: re.Match[str], option: Option) -> str | None:
    be, body = match["be"].lower(), match["x"]
    for adverb in ("not", "never"):
        subject, found, predicate = body.partition(f" {adverb} ")
        if found:
            return _negated(subject, be, adverb, predicate, yes=bool(option.polarity))
    split = _in_two(body) or split_predicate(body)
    if split is None or _cut_short(split[0]):
        return None
    return _joined(split[0], be, split[1], positive=bool(option.polarity))


def _in_two(body: str) -> tuple[str, str] | None:
    """Part a body before an adverb that belongs to the predicate: "the dog neither black nor white"."""
    found = _ADVERB.search(body)
    if found is None or body[: found.start()].lower().split()[-1] in w.DETERMINERS:  # "the even numbers"
        return None
    return body[: found.start()], body[found.start() + 1 :]


def _negated(subject: str, be: str, adverb: str, predicate: str, *, yes: bool) -> str | None:
    """Word "is X not P" and "is X never P"; of "are all X not P" nobody knows what yes means."""
    if not _is_definite(subject) or _RELATIVE.search(subject):
        return None
    if yes:
        return f"{subject} {be} {adverb} {predicate}"
    if adverb == "not" and not is_negated(predicate):
        return f"{subject} {be} {predicate}"
    return f"{_DENIED} {subject} {be} {adverb} {predicate}"


def _cut_short(subject: str) -> bool:
    """Say whether a subject ends with what may be its verb: "the bag left", but not "the car on the left"."""
    words = subject.lower().split()
    return len(words) > 2 and words[-1] in {"left", "right"} and words[-2] not in w.DETERMINERS | w.POSITIONS


def _is_definite(subject: str) -> bool:
    """Say whether "not" behind its verb denies what is said of a subject, and nothing else could."""
    word = subject.lower().split()[0]
    return not (word in _INDEFINITE | _WHOLE or word in _SOME or word == "any" or word.isdigit())


def _joined(subject: str, be: str, predicate: str, *, positive: bool) -> str:
    """Join subject and predicate; words such as "anyone" and "all" take the denial themselves."""
    told = _renamed(subject, positive=positive)
    if told is not None:
        return f"{told} {be} {predicate}"
    if positive:
        return f"{subject} {be} {predicate}"
    if is_negated(f"{subject} {predicate}") or _KEEPS_PLACE.match(predicate):
        return f"{_DENIED} {subject} {be} {predicate}"
    if subject.lower().split()[0] in _WHOLE:
        return f"not {subject} {be} {predicate}"
    return (
        f"{subject} {be} not {predicate}"
        if _is_definite(subject)
        else f"{_DENIED} {subject} {be} {predicate}"
    )


def _renamed(subject: str, *, positive: bool) -> str | None:
    """Reword a subject with "any": "anyone" becomes "someone" or "no one"; None for any other subject."""
    first, _, rest = subject.partition(" ")
    word = first.lower()
    if word in _SOME:
        return f"{(_SOME if positive else _NONE)[word]} {rest}".strip()
    if word == "any":
        quantity = "some" if positive else "none" if rest.startswith("of ") else "no"
        return f"{quantity} {rest}"
    return None


def _have(match: re.Match[str], option: Option) -> str | None:
    """Word "has the man finished eating"."""
    split = split_predicate(match["x"])
    if split is not None and " never" in split[0].lower():
        return None
    if option.polarity is None or split is None or not is_participle(split[1].split()[0]):
        return None
    return _joined(split[0], match["have"].lower(), split[1], positive=option.polarity)


def _do(match: re.Match[str], option: Option) -> str | None:
    do, body, positive = match["do"].lower(), match["x"], bool(option.polarity)
    subject, negated, action = body.partition(" not ")
    if negated:
        return _do_not(subject, do, action, yes=positive)
    subject, never, action = body.partition(" never ")
    if never and do not in {"do", "does", "did"}:
        lead = "" if positive else f"{_DENIED} "
        return f"{lead}{subject} {do} never {action}" if _is_definite(subject) else None
    split = split_verb(body)
    if split is None or split[0].lower().split()[0] == "not":
        return None
    subject, verb, rest = split
    told = _renamed(subject, positive=positive)
    if told is not None:
        return f"{affirmed(told, do, verb)} {rest}".strip()
    if positive:
        return f"{affirmed(subject, do, verb)} {_some(rest)}".strip()
    denied = is_negated(f"{subject} {rest}") or do in _LOSE_SENSE
    if subject.lower().split()[0] in _WHOLE and do != "can" and not denied:
        return f"not {affirmed(subject, do, verb)} {rest}".strip()
    if denied or not _is_definite(subject):
        return f"{_DENIED} {affirmed(subject, do, verb)} {rest}".strip()
    return (
        f"{subject} cannot {verb} {rest}".strip()
        if do == "can"
        else f"{subject} {do} not {verb} {rest}".strip()
    )


def _do_not(subject: str, do: str, action: str, *, yes: bool) -> str | None:
    """Word "does X not V"."""
    if not _is_definite(subject) or _RELATIVE.search(subject) or do in _LOSE_SENSE or is_negated(action):
        return None
    if yes:
        return f"{subject} cannot {action}" if do == "can" else f"{subject} {do} not {action}"
    verb, _, rest = action.partition(" ")
    return f"{affirmed(subject, do, verb)} {_some(rest)}".strip()


def _correct(match: re.Match[str], option: Option) -> str:
    """Word "is it true that X"."""
    return match["x"] if option.polarity else f"it is not true that {match['x']}"


def _truth(match: re.Match[str], option: Option) -> str | None:
    """Word a statement that is asked about as a whole."""
    if option.polarity is None and option.text.lower() not in {"true", "false"}:
        return None
    holds = option.polarity or option.text.lower() == "true"
    text = match["x"]
    first, _, rest = text.partition(" ")
    common = first.lower() in w.DETERMINERS | w.PRONOUNS and first != "I"
    return (
        text
        if holds
        else f"it is {'false' if option.polarity is None else 'not true'} that "
        + (f"{first.lower()} {rest}" if common else text)
    )


TRUTH_RULES = (rule("truth", r"(?P<x>[^?]+)", _truth),)
"""For a statement after the question whether it is true."""

POLAR_RULES = (
    rule("correct", r"is it (?:correct|true|right|the case) that (?P<x>.+)", _correct),
    rule("existence", rf"{BE} there (?P<neg>not )?(?P<x>.+)", _existence),
    rule(
        "presence",
        rf"{BE} (?P<det>no|an?|any) (?P<x>[^,]+?) (?P<rest>(?:present|visible|shown|depicted|seen)\b.*)",
        _presence,
    ),
    rule("be", rf"{BE} (?P<x>(?!there\b).+)", _be),
    rule("have", r"(?P<have>has|have|had) (?P<x>.+)", _have),
    rule("do", rf"{DO} (?P<x>.+)", _do),
)
"""For the options yes and no."""
