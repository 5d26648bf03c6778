"""From an answer in an option's own words to a distribution over the options.

Where the answer begins, each option is a path of tokens. The probability of an option is the product of
its tokens' probabilities along that path; where an option ends on the way to a longer one ("red", "red
car"), it also takes that the longer one is not gone on with. So the paths form a tree, and the model's
step at every inner node of it is needed.

Nothing here knows torch: probabilities come in as plain numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from pytest_vlmrobust.models.letters import Distribution, Rescore, Step, emitting_step

MOST_STEPS = 128
"""With more inner nodes than this, no distribution is computed: it would cost more than the reply."""

_Path = tuple[int, ...]

_STYLES: tuple[Callable[[str], str], ...] = (
    lambda text: text,
    str.lower,
    lambda text: text[:1].upper() + text[1:],
    str.upper,
)


def spelled_alike(choices: Sequence[str], index: int, said: str) -> list[str] | None:
    """Write every option the way that one of them was written.

    Args:
        choices: the options' texts.
        index: which of them was answered.
        said: how it was written.

    Returns:
        The options in the same case, or None where they cannot be told apart so, or no rule gives what
        was written.

    >>> spelled_alike(["Left", "right"], 0, "left")
    ['left', 'right']
    """
    for style in _STYLES:
        spelled = [style(choice.strip()) for choice in choices]
        if spelled[index] == said and len(set(spelled)) == len(spelled):
            return spelled
    return None


def tokens_of(
    text: str,
    tail: str,
    *,
    until: int,
    encode: Callable[[str], Sequence[int]],
    decode: Callable[[Sequence[int]], str],
) -> _Path | None:
    """Tokenize a text as it would stand behind another.

    Args:
        text: the text.
        tail: what stands before it, or its end.
        until: characters of the text that are of interest; the path ends with the token that holds the
            last of them.
        encode: the tokenizer, which adds nothing of its own.
        decode: its inverse.

    Returns:
        The tokens, or None where the tokenizer joins the two texts.
    """
    before, whole = list(encode(tail)), list(encode(tail + text))
    if whole[: len(before)] != before:
        return None
    lead = decode(before)
    step = emitting_step(lambda count: decode(whole[:count]), len(whole), len(lead) + until - 1)
    return None if step is None or step < len(before) else tuple(whole[len(before) : step + 1])


def read_texts(paths: Sequence[_Path], emitted: Sequence[int], step: int, index: int) -> Rescore | None:
    """Say which steps the distribution over the options' texts needs.

    Args:
        paths: the tokens of each option.
        emitted: the generated token ids.
        step: where among these the answer begins.
        index: the option that was answered.

    Returns:
        What is needed; or None where the answer was tokenized otherwise, two options have the same tokens,
        nothing comes before the answer, or the tree is too large.
    """
    begun = tuple(emitted[:step])
    if not begun or tuple(emitted[step : step + len(paths[index])]) != paths[index]:
        return None
    nodes = sorted({path[:length] for path in paths for length in range(len(path))}, key=_by_length)
    if len(set(paths)) < len(paths) or len(nodes) > MOST_STEPS:
        return None

    def finish(after: Sequence[Step]) -> Distribution | None:
        steps = dict(zip(nodes, after, strict=True))
        masses = [_probability(path, paths, steps) for path in paths]
        mass = sum(masses)
        if not mass > 0.0:
            return None
        return Distribution(probs=tuple(each / mass for each in masses), mass=min(mass, 1.0))

    watch = tuple(sorted({token for path in paths for token in path}))
    return Rescore(contexts=tuple(begun + node for node in nodes), finish=finish, watch=watch)


def _probability(path: _Path, paths: Sequence[_Path], steps: Mapping[_Path, Step]) -> float:
    along = math.prod(steps[path[:place]].probs[token] for place, token in enumerate(path))
    longer = {other[len(path)] for other in paths if other != path and other[: len(path)] == path}
    if not longer:
        return along
    return along * max(0.0, 1.0 - sum(steps[path].probs[token] for token in longer))


def _by_length(path: _Path) -> tuple[int, _Path]:
    return len(path), path
