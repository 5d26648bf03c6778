"""Nouns of place, and the preposition that each takes: "in the kitchen", "at the airport"."""

from __future__ import annotations

from pytest_vlmrobust.conditions.wording import words as w
from pytest_vlmrobust.conditions.wording.english import head_noun, is_plural, with_definite


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_IN = _words(
    "kitchen bathroom bedroom room hallway garage basement attic garden yard park forest woods jungle "
    "desert field city town village classroom office library hospital restaurant cafe supermarket store "
    "shop mall museum gym theater church warehouse factory studio gallery box basket bag drawer cupboard "
    "sink car bus train boat water sea ocean lake river pool sky air corner background foreground center "
    "middle street crowd living dining mountains laboratory auditorium cave tent barn"
)
_ON = _words(
    "table desk floor wall roof shelf sofa bed chair bench counter stove carpet rug beach road sidewalk "
    "grass bridge playground platform stage balcony plate tray ceiling tree branch boat left-arm arm hand "
    "wrist shoulder neck chest back leg knee ankle foot head face cheek forehead finger farm island "
    "mountain court"
)
_AT = _words(
    "airport station zoo market office wedding school university bank hotel harbor stadium crosswalk door"
)


def phrase_of_place(place: str) -> str | None:
    """Give a bare noun of place its preposition; None where none is sure.

    >>> phrase_of_place("left arm"), phrase_of_place("kitchen"), phrase_of_place("freedom")
    ('on the left arm', 'in the kitchen', None)
    """
    head = head_noun(place)
    named = place[:1].isupper()
    if named or (is_plural(place) and head not in _IN | _ON) or place.lower().split()[0] in w.PREPOSITIONS:
        return None
    for preposition, nouns in (("on", _ON), ("in", _IN), ("at", _AT)):
        if head in nouns:
            return f"{preposition} {with_definite(place)}"
    return None
