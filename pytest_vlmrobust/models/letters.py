"""From the token that named an option to a distribution over the options.

A letter has many spellings in a vocabulary: ``A``, `` A``, ``>A``, ``(A``. Only spellings of one kind may
be compared: in many vocabularies ``>A`` is one token and ``>B`` two, so comparing one token for each letter
would favor a letter for its spelling. The rule: take the spelling that the model emitted, put the
other letters in its place, and compare those; where a vocabulary lacks some of them, add up the one-token
and the two-token way of writing the same text, for every letter alike. Where all of these together have
little probability, the model was about to spell its answer otherwise: then all spellings are added up.

Nothing here knows torch: probabilities come in as plain numbers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

LOW_MASS = 0.5
"""Below this probability of one spelling, all letters together, the other spellings are looked at too."""

_NOTABLE_LEAD = 0.05
"""Probability from which on a token that can stand before a letter is worth a step of the model."""

# Vocabularies write a space as a letter-like sign of their own (Ġ, ▁), a newline as Ċ, and so on.
_AFTER = r"[!-/:-@\[-`{-~\s▁ĠĊĉč]*"
_FORM = re.compile(rf"([^A-Za-z0-9]*)([A-H])({_AFTER})")


@dataclass(frozen=True, kw_only=True)
class Form:
    """One token that holds one option letter and no other letter or digit.

    Attributes:
        letter: the option letter.
        before: what stands before it in the token, as the vocabulary writes it.
        after: what follows it in the token.
    """

    letter: str
    before: str
    after: str


@dataclass(frozen=True, kw_only=True)
class Step:
    """The model's distribution at one step of a generation, as far as it was kept.

    Attributes:
        probs: probability, in [0, 1], of each watched token.
        emitted: probability of the token that was emitted.
    """

    probs: Mapping[int, float]
    emitted: float


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """P(letter) over a sample's letters.

    Attributes:
        probs: renormalized to sum to 1, in the letters' order.
        mass: what they summed to before, in [0, 1].
    """

    probs: tuple[float, ...]
    mass: float


@dataclass(frozen=True, kw_only=True)
class Rescore:
    """A distribution that needs more steps of the model.

    Attributes:
        contexts: token ids that follow the prompt; the step after each of them is needed. They begin as
            what the model generated does.
        finish: turns those steps, in order, into the distribution.
        watch: tokens whose probabilities are needed beside those that are always watched.
    """

    contexts: tuple[tuple[int, ...], ...]
    finish: Callable[[Sequence[Step]], Distribution | None]
    watch: tuple[int, ...] = ()


class LetterForms:
    """Every token of a vocabulary that can name an option.

    >>> forms = LetterForms({"A": 0, "B": 1, ">A": 2, ">B": 3, "DOG": 4, ">": 5})
    >>> forms.form(3)
    Form(letter='B', before='>', after='')
    >>> forms.form(4) is None
    True
    >>> forms.watched
    (0, 1, 2, 3, 5)
    """

    def __init__(self, vocabulary: Mapping[str, int]) -> None:
        """Scan the vocabulary once.

        Args:
            vocabulary: token, as the tokenizer writes it, to id.
        """
        self._forms: dict[int, Form] = {}
        self._ids: dict[tuple[str, str, str], int] = {}
        for token, index in vocabulary.items():
            if found := _FORM.fullmatch(token):
                before, letter, after = found.groups()
                self._forms[index] = Form(letter=letter, before=before, after=after)
                self._ids[before, letter, after] = index
        befores = {before for before, _, _ in self._ids if before in vocabulary}
        self._befores = {before: vocabulary[before] for before in befores}
        self._texts = {index: before for before, index in self._befores.items()}

    @property
    def watched(self) -> tuple[int, ...]:
        """Ids whose probabilities have to be kept at each step, ascending."""
        return tuple(sorted({*self._forms, *self._texts}))

    def form(self, index: int) -> Form | None:
        """Return how a token names an option, or None when it names none."""
        return self._forms.get(index)

    def family(self, form: Form, letters: Sequence[str]) -> list[int] | None:
        """Return the token for each letter in the same spelling; None when a letter has none."""
        ids = [self._ids.get((form.before, letter, form.after)) for letter in letters]
        return None if None in ids else [index for index in ids if index is not None]

    def merged(self, previous: int, letters: Sequence[str]) -> list[bool]:
        """Return for each letter whether the vocabulary can write it and the token before it as one token."""
        before = self._texts.get(previous)
        return [before is not None and (before, letter, "") in self._ids for letter in letters]

    def before_token(self, form: Form) -> int | None:
        """Return the token that writes what stands before the letter, or None."""
        return self._befores.get(form.before)

    def before_text(self, index: int) -> str:
        """Return what a token returned by `before_token` writes."""
        return self._texts[index]

    @property
    def befores(self) -> list[str]:
        """Every text that some token writes before a letter, "" among them if letters stand alone."""
        return sorted({form.before for form in self._forms.values()})

    @property
    def leads(self) -> list[int]:
        """Tokens that write nothing but what stands before a letter in some other token."""
        return sorted(self._texts)

    def starting_with(self, before: str, letter: str) -> list[int]:
        """Return every token that writes ``before`` and the letter, whatever follows in the token."""
        return [
            index for index, form in self._forms.items() if (form.before, form.letter) == (before, letter)
        ]


def emitting_step(decode_first: Callable[[int], str], count: int, position: int) -> int | None:
    """Find the token that brought the character at ``position`` of a reply.

    A character of several bytes can be spread over several tokens, so the text of the first tokens
    may end in replacement characters; they do not count as text yet.

    Args:
        decode_first: the text of the first n tokens of the reply.
        count: how many tokens there are.
        position: index into the text of all of them.

    Returns:
        The index of the token, or None when the text of the first tokens is not the beginning of the
        whole text, so that no token can be named.

    >>> tokens = ["<answer", ">B", "</"]
    >>> emitting_step(lambda n: "".join(tokens[:n]), 3, 8)
    1
    """
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        if len(decode_first(middle).rstrip("�")) > position:
            high = middle
        else:
            low = middle + 1
    if low == 0 or decode_first(low)[: position + 1] != decode_first(count)[: position + 1]:
        return None
    return low - 1


def read_letters(
    forms: LetterForms, letters: Sequence[str], ids: Sequence[int], step: int, at: Callable[[int], Step]
) -> Distribution | Rescore | None:
    """Compute the distribution over the options at the step that named one.

    Args:
        forms: the vocabulary's letter tokens.
        letters: the sample's letters, "A" first.
        ids: the generated token ids.
        step: index into ``ids`` of the token with the answer's letter.
        at: the model's distribution at a step.

    Returns:
        The distribution; or what is needed to finish it, when the vocabulary lacks the emitted spelling for
        some letter; or None when the token names no option, or no unbiased comparison is possible.
    """
    form = forms.form(ids[step])
    if form is None or form.letter not in letters:
        return None
    family = forms.family(form, letters)
    if family is None:
        return _sum_of_forms(forms, letters, ids[:step], form, at(step))
    if not form.before and step > 0:
        merged = forms.merged(ids[step - 1], letters)
        if any(merged) and not all(merged):
            return _with_merged(forms, letters, ids[step - 1], at(step - 1), at(step))
    found = _normalized([at(step).probs[index] for index in family])
    if found is None or found.mass < LOW_MASS:
        return _all_spellings(forms, letters, ids[:step], at(step))
    return found


def _with_merged(
    forms: LetterForms, letters: Sequence[str], previous: int, before: Step, now: Step
) -> Distribution | None:
    """Add the merged spelling, possible one step earlier, to the letter that was emitted alone."""
    text = forms.before_text(previous)
    return _normalized(
        [
            _total(before, forms.starting_with(text, letter))
            + before.emitted * _total(now, forms.starting_with("", letter))
            for letter in letters
        ]
    )


def _sum_of_forms(
    forms: LetterForms, letters: Sequence[str], context: Sequence[int], form: Form, now: Step
) -> Distribution | Rescore | None:
    """Add up both ways of writing what the model wrote, with each letter in turn."""
    if any(not forms.starting_with("", letter) for letter in letters):
        return None
    whole = [_total(now, forms.starting_with(form.before, letter)) for letter in letters]
    if not form.before:
        return _normalized(whole)
    token = forms.before_token(form)
    if token is None:
        return None
    lead = now.probs[token]

    def finish(after: Sequence[Step]) -> Distribution | None:
        return _normalized(
            [
                mass + lead * _total(after[0], forms.starting_with("", letter))
                for mass, letter in zip(whole, letters, strict=True)
            ]
        )

    return Rescore(contexts=((*context, token),), finish=finish)


def _all_spellings(
    forms: LetterForms, letters: Sequence[str], context: Sequence[int], now: Step
) -> Distribution | Rescore | None:
    """Add up every way of writing a letter that all letters have, in one token or in two."""
    leads = [token for token in forms.leads if now.probs[token] >= _NOTABLE_LEAD]
    led = {forms.before_text(token) for token in leads}
    masses = [0.0] * len(letters)
    for before in forms.befores:
        spelled = [forms.starting_with(before, letter) for letter in letters]
        if all(spelled) or before in led:
            masses = [mass + _total(now, ids) for mass, ids in zip(masses, spelled, strict=True)]
    if not leads:
        return _normalized(masses)

    def finish(after: Sequence[Step]) -> Distribution | None:
        return _normalized(
            [
                mass
                + sum(
                    now.probs[token] * _total(step, forms.starting_with("", letter))
                    for token, step in zip(leads, after, strict=True)
                )
                for mass, letter in zip(masses, letters, strict=True)
            ]
        )

    return Rescore(contexts=tuple((*context, token) for token in leads), finish=finish)


def _total(step: Step, ids: Sequence[int]) -> float:
    return sum(step.probs[index] for index in ids)


def _normalized(masses: Sequence[float]) -> Distribution | None:
    mass = sum(masses)
    if mass <= 0.0:
        return None
    return Distribution(probs=tuple(value / mass for value in masses), mass=min(mass, 1.0))
