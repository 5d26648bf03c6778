"""Claims for questions that begin with what, which or who, or with a preposition before one of them."""

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
    is_verb_in_ing,
)
from pytest_vlmrobust.conditions.wording.fillers import filler, is_vague, kind
from pytest_vlmrobust.conditions.wording.place import with_place_noun
from pytest_vlmrobust.conditions.wording.rules import BE, DO, Option, rule
from pytest_vlmrobust.conditions.wording.values import symbolic
from pytest_vlmrobust.conditions.wording.verbs import affirmed, agreeing, past, third_person

_WH = r"(?P<wh>what|which|who)"
_NOUN = r"(?: (?P<n>(?!(?:do|does|did|can|could|will|would|should)\b)[^,]+?))??"
_MODALS = {"can", "could", "should", "would", "will", "may", "might", "must"}
_VERB_FORMS = {third_person(verb): verb for verb in w.VERBS - {"do", "be"}}
_VERBS = "|".join(sorted({*_VERB_FORMS, "have", "had", *_MODALS, r"\w+ed", *map(past, w.VERBS - {"be"})}))
_DESCRIBES = re.compile(r"an? ", re.IGNORECASE)
_SINGLES_OUT = re.compile(r"the (?:\w+est|most|least|same|one|only|first|last|\w+er one)\b", re.IGNORECASE)
_ADJECTIVAL = {
    "color",
    "colour",
    "size",
    "age",
    "temperature",
    "condition",
    "weather",
    "texture",
    "pattern",
    "length",
}
_CLAUSE = re.compile(r" (?:while|when|if|because) ", re.IGNORECASE)
_TO_DO = re.compile(r" to do\b|\b(?:about|going|trying|ready) to \w+$", re.IGNORECASE)
_PERSONS = "it|this|that|these|those|he|she|they"


def _is(match: re.Match[str], option: Option) -> str | None:
    """Word "what (noun) is …": the gap is the object, an attribute, the subject or the whole."""
    return (
        _object_gap(match, option)
        or _attribute(match, option)
        or _subject_gap(match, option)
        or _whole(match, option)
    )


def _object_gap(match: re.Match[str], option: Option) -> str | None:
    """Word "what is the man holding (in his hand)"; the gap is after the verb or at the end."""
    be, (body, clause) = match["be"].lower(), _without_clause(match["x"])
    if _TO_DO.search(body):
        return None
    split, value = None if _starts_predicate(body) else split_predicate(body), filler(match, option)
    if split is None or value is None or _is_reduced(split, match["n"]) or _is_property(split, match["n"]):
        return None
    subject, (verb, *rest) = split[0], split[1].split()
    if verb.lower() == "doing":
        value = option.mid if option.mid.split()[0].endswith("ing") else None
        rest = [] if value is not None and value.split()[-1] in {"it", "them"} else rest
        return None if value is None else " ".join([subject, be, value, *rest]) + clause
    if split[1].lower().split()[-1] in w.PREPOSITIONS:
        value = with_place_noun(kind(match["n"]), option) if verb.lower() in w.PREPOSITIONS else value
        return f"{subject} {be} {split[1]} {value}{clause}"
    verbal = is_verb_in_ing(verb) or is_participle(verb)
    if verbal and (not rest or rest[0].lower() in w.PREPOSITIONS):
        return " ".join([subject, be, verb, value, *rest]) + clause
    return None


def _without_clause(text: str) -> tuple[str, str]:
    """Part the clause that says when or why: "the man holding while walking"."""
    found = _CLAUSE.search(text)
    return (text, "") if found is None else (text[: found.start()], text[found.start() :])


def _is_reduced(split: tuple[str, str], noun: str | None) -> bool:
    """Say whether a participle belongs to a noun phrase: "what is the name of the river shown in the map"."""
    verb, *rest = split[1].split()
    open_end = bool(rest) and rest[-1].lower() in w.PREPOSITIONS
    if not noun and verb.lower() in {"below", "above"} and not rest:
        return True
    return not noun and not open_end and (is_participle(verb) or (bool(rest) and " of " in split[0]))


def _is_property(split: tuple[str, str], noun: str | None) -> bool:
    """Say whether the color asked for is that of the whole phrase: "what color is the lane marking"."""
    verb, *rest = split[1].lower().split()
    takes = verb.removesuffix("ing") in {"wear", "hold", "carry", "us", "paint", "hav"} or is_participle(verb)
    return kind(noun).lower() in _ADJECTIVAL and not (takes and not (is_participle(verb) and rest))


def _starts_predicate(body: str) -> bool:
    first = body.lower().split()[0]
    return (
        first
        in w.PLACE_STARTERS
        | {"not", "as", "with", "from", "left", "right", "closest", "nearest"}
        | {"about", "going", "able", "supposed", "ready"}
        or is_comparative(first)
        or (len(first) > 5 and first.endswith("est"))
        or is_verb_in_ing(first)
        or is_participle(first)
        or first in w.ADVERBS | {"most", "least", "being"}
        or (is_adjective(first) and not is_plural(body))
    )


def _attribute(match: re.Match[str], option: Option) -> str | None:
    """Word "what color is the car" and "what shape is the sign"."""
    noun, be, body = kind(match["n"]).lower(), match["be"].lower(), match["x"]
    if not noun or _starts_predicate(body) or _SINGLES_OUT.match(body):
        return None
    if noun in _ADJECTIVAL:
        return f"{body} {be} {option.mid}"
    if noun == "shape":
        return f"{body} {be} {shape(option)}"
    if noun in w.ATTRIBUTE_NOUNS:
        return f"the {noun} of {body} {agreeing(be, 'it')} {option.mid}"
    return None


def shape(option: Option) -> str:
    """Word a shape as a noun with its article, or as an adjective."""
    return option.mid if option.mid.lower() in w.SHAPE_ADJECTIVES else option.a


def _subject_gap(match: re.Match[str], option: Option) -> str | None:
    """Word "which is closer to the camera" and "what is on the table"."""
    be, body, noun = match["be"].lower(), match["x"], kind(match["n"])
    bare_what = not noun and match["wh"].lower() == "what"
    if not (
        _starts_predicate(body) or _DESCRIBES.match(body) or (_SINGLES_OUT.match(body) and not bare_what)
    ):
        return None
    if (
        noun
        and head_noun(noun) in w.ATTRIBUTE_NOUNS
        and body.split()[0].lower() in w.PLACE_STARTERS | {"written", "printed"}
    ):
        return f"the {noun} {body} {be} {option.mid}"
    value = filler(match, option)
    if value is not None and is_comparative(body.split()[0]) and value == option.a:
        value = option.the
    if value is None:
        return None
    counted = head_noun(noun) not in w.ATTRIBUTE_NOUNS if noun else True
    return f"{value} {agreeing(be, value) if counted else be} {body}"


def _whole(match: re.Match[str], option: Option) -> str | None:
    """Word "what is the red shape": the option says what it is."""
    be, body, noun = match["be"].lower(), match["x"], kind(match["n"])
    main, clause = _without_clause(body)
    if (clause and split_predicate(main) is not None) or _TO_DO.search(body):
        return None
    if symbolic(body) and not noun:
        return f"the value of {body} {be} {option.mid}"
    if body.split()[0].lower() not in w.DETERMINERS | w.PRONOUNS and not body[0].isupper():
        return None
    if is_vague(noun) or (match["n"] or "").lower().startswith(("color ", "colour ")):
        return None
    if match["wh"].lower() == "which" and noun:
        value = filler(match, option)
        return None if value is None else f"{value} {agreeing(be, value)} {body}"
    plain = match["wh"].lower() == "who" or head_noun(body) in w.ATTRIBUTE_NOUNS
    return (
        f"{body} {be} {option.the if match['wh'].lower() == 'which' else option.mid if plain else option.a}"
    )


def _pointed(match: re.Match[str], option: Option) -> str | None:
    """Word "what animal is this" and "what time is it"."""
    noun = kind(match["n"])
    if is_vague(noun):
        return None
    plain = match["wh"].lower() == "who" or (noun and head_noun(noun) in w.ATTRIBUTE_NOUNS)
    return f"{match['x']} {match['be']} {option.mid if plain else option.a}{match['rest'] or ''}"


def _of(match: re.Match[str], option: Option) -> str | None:
    """Word "what is the color of the car" by its subject: "the car is red"."""
    body, noun = match["x"], match["n"].lower()
    be = "are" if is_plural(body) else "is"
    if noun in {"color", "colour"}:
        return f"{body} {be} {option.mid}"
    return f"{body} {be} {shape(option)}"


def _clothed(match: re.Match[str], option: Option) -> str | None:
    """Word "what color shirt is the man wearing"."""
    split = split_predicate(match["x"])
    if split is None or not is_verb_in_ing(split[1].split()[0]):
        return None
    verb, *rest = split[1].split()
    garment = Option(f"{option.mid} {match['n']}").a
    return " ".join([split[0], match["be"], verb, garment, *rest])


def _verb(match: re.Match[str], option: Option) -> str | None:
    """Word "who wears a hat", "which has more legs", "what can be seen in the image"."""
    value, verb = filler(match, option), match["v"].lower()
    if value is None:
        return None
    if verb in _MODALS and match["rest"].lower().split()[0] not in w.VERBS | {"be"}:
        return None
    if is_plural(value):
        verb = "have" if verb == "has" else _VERB_FORMS.get(verb, verb)
    elif verb == "have":
        verb = "has"
    return f"{value} {match['adv'] or ''}{verb} {match['rest']}"


def _does(match: re.Match[str], option: Option) -> str | None:
    """Word "what does the image show" and "which color does the circle have"."""
    split, value = split_verb(match["x"]), filler(match, option)
    if split is None or value is None:
        return None
    subject, verb, rest = split
    noun = kind(match["n"]).lower()
    if verb == "have" and not rest and noun in {*_ADJECTIVAL, "shape"}:
        be = "is" if match["do"].lower() == "does" else "are"
        return f"{subject} {be} {shape(option) if noun == 'shape' else option.mid}"
    rest, clause = _without_clause(f" {rest}")
    rest = rest.strip()
    if verb == "be":
        return _would_be(subject, match, rest, option)
    ends_open = bool(rest) and rest.lower().split()[-1] in w.PREPOSITIONS
    if verb == "do" or not (not rest or ends_open or rest.lower().split()[0] in w.PREPOSITIONS):
        return None
    done = affirmed(subject, match["do"], verb)
    return (f"{done} {rest} {value}" if ends_open else f"{done} {value} {rest}".strip()) + clause


def _would_be(subject: str, match: re.Match[str], rest: str, option: Option) -> str | None:
    """Word "which lane should we be in to go straight"."""
    first, _, more = rest.partition(" ")
    if first.lower() not in w.PREPOSITIONS or not (not more or more.lower().startswith("to ")):
        return None
    place = with_place_noun(kind(match["n"]), option)
    return f"{subject} {match['do'].lower()} be {first} {place} {more}".strip()


def _does_not(match: re.Match[str], option: Option) -> str | None:
    """Word "which color does not appear in the image"."""
    value, do = filler(match, option), match["do"].lower()
    if value is None:
        return None
    do = ("do" if is_plural(value) else "does") if do in {"do", "does"} else do
    return f"{value} {do} not {match['rest']}"


def _happening(match: re.Match[str], option: Option) -> str | None:
    """Word "what is happening in the image"."""
    if is_verb_in_ing(option.mid.split()[0]):
        return None
    return f"{option.a} {agreeing('is', option.a)} {match['x']}"


def _there(match: re.Match[str], option: Option) -> str:
    return f"there {agreeing('is', option.a)} {option.a}{match['rest'] or ''}"


WHAT_RULES = (
    rule("pointed", rf"{_WH}{_NOUN} {BE} (?P<x>{_PERSONS})(?P<rest> (?:in|on|at) [^,]+)?", _pointed),
    rule("like", rf"what {BE} (?P<x>[^,]+?) like(?P<rest> [^,]+)?", "{x}{rest} {be} {o}"),
    rule("there", r"what is there(?P<rest> .+)?", _there),
    rule("happening", r"what (?:is|are) (?P<x>(?:happening|going on|taking place)\b.*)", _happening),
    rule(
        "color-of", r"(?:what|which) (?:is|are) the (?P<n>colou?r|shape|breed|species)s? of (?P<x>[^,]+)", _of
    ),
    rule("color-noun", rf"what colou?r (?P<n>(?!of )[\w-]+(?: [\w-]+)?) {BE} (?P<x>[^,]+)", _clothed),
    rule("what-is", rf"{_WH}{_NOUN} {BE} (?P<x>[^,]+)", _is),
    rule("what-not", rf"{_WH}{_NOUN} {DO} not (?P<rest>[^,]+)", _does_not),
    rule("what-does", rf"{_WH}{_NOUN} {DO} (?P<x>(?!be |not )[^,]+)", _does),
    rule(
        "what-verb",
        rf"{_WH}{_NOUN} (?P<adv>(?:(?:more|most|best|better|\w+ly) ){{1,2}})?(?P<v>{_VERBS}) (?P<rest>[^,]+)",
        _verb,
    ),
)
