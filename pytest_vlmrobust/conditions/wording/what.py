"""Claims for questions that begin with what, which or who, or with a preposition before one of them."""

from __future__ import annotations

import re

from pytest_vlmrobust.conditions.wording import words as w
from pytest_vlmrobust.conditions.wording.clauses import split_predicate, split_verb
from pytest_vlmrobust.conditions.wording.english import (
    affirmed,
    agreeing,
    head_noun,
    is_adjective,
    is_comparative,
    is_participle,
    is_plural,
    is_verb_in_ing,
    singular,
    third_person,
)
from pytest_vlmrobust.conditions.wording.place import with_place_noun
from pytest_vlmrobust.conditions.wording.rules import BE, DO, Option, rule

_WH = r"(?P<wh>what|which|who)"
_NOUN = r"(?: (?P<n>(?!(?:do|does|did|can|could|will|would|should)\b)[^,]+?))??"
_VERB_FORMS = {third_person(verb): verb for verb in w.VERBS - {"do"}}
_VERBS = "|".join(sorted({*_VERB_FORMS, "have", "had", "can", "could"}))
_DESCRIBES = re.compile(r"an? ", re.IGNORECASE)
_SINGLES_OUT = re.compile(r"the (?:\w+est|most|least|same|one|only|first|last)\b", re.IGNORECASE)
_LABEL = re.compile(r"[A-Z]\d?|\d{1,2}")
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
_VAGUE = {"statement", "option", "answer", "caption", "sentence", "description", "choice"}
_PERSONS = "it|this|that|these|those|he|she|they"


def _kind(noun: str | None) -> str:
    """Drop what adds nothing before a noun: "kind of animal" -> "animal", "color hat" -> "hat"."""
    return re.sub(r"^(?:(?:kind|type|sort)s? of|colou?r) ", "", noun or "", flags=re.IGNORECASE)


def _is_vague(noun: str) -> bool:
    """Say whether a noun stands for an option itself: "which statement is true"."""
    return any(singular(word) in _VAGUE for word in noun.lower().split())


def _value(match: re.Match[str], option: Option) -> str | None:
    """Word the option with the article that the question calls for; None where none would do."""
    noun, definite = _kind(match["n"]), match["wh"].lower() != "what"
    head = head_noun(noun) if noun else ""
    if _is_vague(noun) or "'" in noun or (not noun and _LABEL.fullmatch(option.text)):
        return None
    if head in w.ATTRIBUTE_NOUNS:
        return option.mid
    if head not in w.NAMED_NOUNS and (noun or match["wh"].lower() == "what"):
        option = option.common
    one_of = noun.lower().startswith(("of ", "one"))
    if noun and not one_of and _LABEL.fullmatch(option.text):
        return f"{noun} {option.text}"
    if noun and all(is_adjective(word) for word in option.mid.split()):
        return f"the {option.mid} {'one' if one_of else noun}"
    return option.the if definite or one_of else option.a


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
    be, body = match["be"].lower(), match["x"]
    if _starts_predicate(body):
        return None
    split, value = split_predicate(body), _value(match, option)
    if split is None or value is None:
        return None
    subject, (verb, *rest) = split[0], split[1].split()
    if verb.lower() == "doing":
        value = option.mid if is_verb_in_ing(option.mid.split()[0]) else None
        return None if value is None else " ".join([subject, be, value, *rest])
    if split[1].lower().split()[-1] in w.PREPOSITIONS:
        value = with_place_noun(_kind(match["n"]), option) if verb.lower() in w.PREPOSITIONS else value
        return f"{subject} {be} {split[1]} {value}"
    verbal = is_verb_in_ing(verb) or is_participle(verb)
    if verbal and (not rest or rest[0].lower() in w.PREPOSITIONS):
        return " ".join([subject, be, verb, value, *rest])
    return None


def _starts_predicate(body: str) -> bool:
    first = body.lower().split()[0]
    return (
        first in w.PLACE_STARTERS | {"not", "as", "with", "from", "left", "right", "closest", "nearest"}
        or is_comparative(first)
        or (len(first) > 5 and first.endswith("est"))
        or is_verb_in_ing(first)
        or is_participle(first)
        or first in w.ADVERBS | {"most", "least", "being"}
        or (is_adjective(first) and not is_plural(body))
    )


def _attribute(match: re.Match[str], option: Option) -> str | None:
    """Word "what color is the car" and "what shape is the sign"."""
    noun, be, body = _kind(match["n"]).lower(), match["be"].lower(), match["x"]
    if not noun or _starts_predicate(body):
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
    return option.mid if option.mid.lower() in w.SHAPE_ADJECTIVES - {"square", "oval"} else option.a


def _subject_gap(match: re.Match[str], option: Option) -> str | None:
    """Word "which is closer to the camera" and "what is on the table"."""
    be, body, noun = match["be"].lower(), match["x"], _kind(match["n"])
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
    value = _value(match, option)
    if value is not None and is_comparative(body.split()[0]):
        value = option.common.the if value == option.common.a else value
    if value is None:
        return None
    counted = head_noun(noun) not in w.ATTRIBUTE_NOUNS if noun else True
    return f"{value} {agreeing(be, value) if counted else be} {body}"


def _whole(match: re.Match[str], option: Option) -> str | None:
    """Word "what is the red shape": the option says what it is."""
    be, body, noun = match["be"].lower(), match["x"], _kind(match["n"])
    if body.split()[0].lower() not in w.DETERMINERS | w.PRONOUNS and not body[0].isupper():
        return None
    if _is_vague(noun) or (match["n"] or "").lower().startswith(("color ", "colour ")):
        return None
    plain = match["wh"].lower() == "who" or head_noun(body) in w.ATTRIBUTE_NOUNS
    return (
        f"{body} {be} {option.the if match['wh'].lower() == 'which' else option.mid if plain else option.a}"
    )


def _pointed(match: re.Match[str], option: Option) -> str | None:
    """Word "what animal is this" and "what time is it"."""
    noun = _kind(match["n"])
    if _is_vague(noun):
        return None
    plain = match["wh"].lower() == "who" or (noun and head_noun(noun) in w.ATTRIBUTE_NOUNS)
    return f"{match['x']} {match['be']} {option.mid if plain else option.a}"


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
    value, verb = _value(match, option), match["v"].lower()
    if value is None:
        return None
    if verb in {"can", "could"} and match["rest"].lower().split()[0] not in w.VERBS | {"be"}:
        return None
    if is_plural(value):
        verb = "have" if verb == "has" else _VERB_FORMS.get(verb, verb)
    elif verb == "have":
        verb = "has"
    return f"{value} {verb} {match['rest']}"


def _does(match: re.Match[str], option: Option) -> str | None:
    """Word "what does the image show" and "which color does the circle have"."""
    split, value = split_verb(match["x"]), _value(match, option)
    if split is None or value is None:
        return None
    subject, verb, rest = split
    noun = _kind(match["n"]).lower()
    if verb == "have" and not rest and noun in {*_ADJECTIVAL, "shape"}:
        be = "is" if match["do"].lower() == "does" else "are"
        return f"{subject} {be} {shape(option) if noun == 'shape' else option.mid}"
    if verb == "do" or not (not rest or rest.lower().split()[0] in w.PREPOSITIONS):
        return None
    value = option.mid if verb in {"say", "read"} else value
    done = affirmed(subject, match["do"], verb)
    ends_open = bool(rest) and rest.lower().split()[-1] in w.PREPOSITIONS
    return f"{done} {rest} {value}" if ends_open else f"{done} {value} {rest}"


def _happening(match: re.Match[str], option: Option) -> str | None:
    """Word "what is happening in the image"."""
    if is_verb_in_ing(option.mid.split()[0]):
        return None
    return f"{option.a} {agreeing('is', option.a)} {match['x']}"


def _there(match: re.Match[str], option: Option) -> str:
    return f"there {agreeing('is', option.a)} {option.a}{match['rest'] or ''}"


WHAT_RULES = (
    rule("pointed", rf"{_WH}{_NOUN} {BE} (?P<x>{_PERSONS})", _pointed),
    rule("like", rf"what {BE} (?P<x>[^,]+?) like", "{x} {be} {o}"),
    rule("there", r"what is there(?P<rest> .+)?", _there),
    rule("happening", r"what (?:is|are) (?P<x>(?:happening|going on|taking place)\b.*)", _happening),
    rule("color-of", r"(?:what|which) (?:is|are) the (?P<n>colou?r|shape)s? of (?P<x>[^,]+)", _of),
    rule("color-noun", rf"what colou?r (?P<n>(?!of )[\w-]+(?: [\w-]+)?) {BE} (?P<x>[^,]+)", _clothed),
    rule("what-is", rf"{_WH}{_NOUN} {BE} (?P<x>[^,]+)", _is),
    rule("what-does", rf"{_WH}{_NOUN} {DO} (?P<x>(?!be )[^,]+)", _does),
    rule("what-verb", rf"{_WH}{_NOUN} (?P<v>{_VERBS}) (?P<rest>[^,]+)", _verb),
)
