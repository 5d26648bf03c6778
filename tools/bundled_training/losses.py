"""The language-model loss, and the losses on inner layers without which nothing is learned here.

Trained end to end on the reply alone, a network of this size never finds the image. Five
supervised stepping stones lead it there; each has a plain meaning:

- a patch that holds the center of a thing knows its color, shape and place;
- the words that name the subject of the question look at the patches that match;
- each option looks back at the words that name the subjects, one head for each, and knows
  how far apart two subjects are;
- each option knows, at its last token, whether it is right;
- the token before a letter looks at the option that the letter stands for.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - its customary name

from tools.bundled_training.examples import SUBJECTS
from tools.bundled_training.network import COLOR_NAMES, PATCHES, Heads, Pass

SUBJECT_LAYER, GATHER_LAYER, OPTION_LAYER, LETTER_LAYER = 1, 2, 3, 4


def patch_loss(patches: Tensor, batch: dict[str, Tensor], heads: Heads) -> Tensor:
    """Color, shape and place of each thing, at the patch that holds its center."""
    kind = batch["patch_kind"]
    known = batch["has_scene"][:, None].expand(-1, PATCHES)
    filled = kind[..., 0] >= 0
    present = F.binary_cross_entropy_with_logits(
        heads.filled(patches).squeeze(-1)[known].float(),
        filled[known].float(),
        pos_weight=torch.tensor(4.0),
    )
    at = patches[filled]
    color = F.cross_entropy(heads.color(at).float(), kind[filled][:, 0])
    shape = F.cross_entropy(heads.shape(at).float(), kind[filled][:, 1])
    place = F.mse_loss(heads.place(at).float(), batch["patch_place"][filled])
    return present + color + shape + 20 * place


def patch_accuracy(patches: Tensor, batch: dict[str, Tensor], heads: Heads) -> dict[str, float]:
    """Share of things whose color and shape are read right, and of patches known to be filled."""
    kind = batch["patch_kind"]
    filled = kind[..., 0] >= 0
    at = patches[filled]
    return {
        "color": (heads.color(at).argmax(-1) == kind[filled][:, 0]).float().mean().item(),
        "shape": (heads.shape(at).argmax(-1) == kind[filled][:, 1]).float().mean().item(),
        "filled": ((heads.filled(patches).squeeze(-1) > 0) == filled)[batch["has_scene"]]
        .float()
        .mean()
        .item(),
    }


def word_loss(passed: Pass, batch: dict[str, Tensor]) -> Tensor:
    """Cross-entropy of the reply, letters weighted up."""
    weight = batch["weight"][:, 1:]
    taught = weight > 0
    each = F.cross_entropy(passed.logits.float(), batch["ids"][:, 1:][taught], reduction="none")
    return (each * weight[taught]).sum() / weight.sum()


def letter_figures(passed: Pass, batch: dict[str, Tensor]) -> tuple[float, float]:
    """Accuracy over all letters taught, by argmax, and the mean entropy in nats."""
    weight = batch["weight"][:, 1:]
    letters = weight[weight > 0] > 1
    logits = passed.logits.float()[letters]
    probs = logits.softmax(-1)
    hit = logits.argmax(-1) == batch["ids"][:, 1:][weight > 1]
    return hit.float().mean().item(), -(probs * probs.clamp_min(1e-9).log()).sum(-1).mean().item()


def look_loss(passed: Pass, batch: dict[str, Tensor], first_patch: int) -> Tensor:
    """Subject words look at the matching patches, and share one part with the first token.

    That spare part makes the number of matches readable: it is 1 / (1 + matches).
    """
    loss = passed.logits.new_zeros((), dtype=torch.float32)
    maps = passed.attention[SUBJECT_LAYER].float()
    for number in range(SUBJECTS):
        at = batch["subject_at"][:, number]
        rows = (at >= 0).nonzero().squeeze(-1)
        if len(rows) == 0:
            continue
        wanted = batch["subject_patches"][rows, number].float()
        wanted = torch.cat([torch.ones(len(rows), 1), wanted], dim=1)
        wanted = wanted / wanted.sum(1, keepdim=True)
        for head in (0, 1):
            seen = maps[rows, head, at[rows]]
            seen = torch.cat([seen[:, :1], seen[:, first_patch : first_patch + PATCHES]], dim=1)
            loss = loss - (wanted * (seen + 1e-6).log()).sum(1).mean()
    return loss / (2 * SUBJECTS)


def subject_loss(passed: Pass, batch: dict[str, Tensor], heads: Heads) -> Tensor:
    """The words that name the subject know how many match, and of a single match what and where."""
    hidden = passed.hidden[SUBJECT_LAYER + 1]
    total = hidden.new_zeros((), dtype=torch.float32)
    for number in range(SUBJECTS):
        at = batch["subject_at"][:, number]
        rows = (at >= 0).nonzero().squeeze(-1)
        if len(rows) == 0:
            continue
        state = hidden[rows, at[rows]]
        count = batch["subject_patches"][rows, number].sum(-1).clamp(max=4)
        total = total + F.cross_entropy(heads.number(state).float(), count)
        kind = batch["subject_kind"][rows, number]
        single = kind[:, 0] >= 0
        if single.any():
            read = heads.subject(state[single]).float()
            total = total + F.cross_entropy(read[:, 2 : 2 + len(COLOR_NAMES)], kind[single][:, 0])
            total = total + F.cross_entropy(read[:, 2 + len(COLOR_NAMES) :], kind[single][:, 1])
            total = total + 20 * F.mse_loss(read[:, :2], batch["subject_place"][rows, number][single])
    return total / SUBJECTS


def gather_loss(passed: Pass, batch: dict[str, Tensor]) -> Tensor:
    """The end of each option looks at the subjects: head 0 at the first, head 1 at the last."""
    maps = passed.attention[GATHER_LAYER].float()
    options, subjects = batch["option_at"], batch["subject_at"]
    last = torch.where(subjects[:, 1] >= 0, subjects[:, 1], subjects[:, 0])
    there = (options >= 0) & (subjects[:, :1] >= 0)
    rows = torch.arange(len(options))[:, None].expand_as(options)[there]
    loss = maps.new_zeros(())
    if not there.any():
        return loss
    for head, subject in enumerate((subjects[:, 0], last)):
        loss = loss - (maps[rows, head, options[there], subject[rows]] + 1e-6).log().mean()
    return loss / 2


def offset_loss(passed: Pass, batch: dict[str, Tensor], heads: Heads) -> Tensor:
    """Where there are two subjects, the end of each option knows how far apart they are."""
    options, subjects = batch["option_at"], batch["subject_at"]
    there = (options >= 0) & (subjects[:, 1:] >= 0)
    if not there.any():
        return passed.logits.new_zeros((), dtype=torch.float32)
    rows = torch.arange(len(options))[:, None].expand_as(options)[there]
    state = passed.hidden[GATHER_LAYER + 1][rows, options[there]]
    place = batch["subject_place"]
    return 20 * F.mse_loss(heads.offset(state).float(), (place[:, 0] - place[:, 1])[rows])


def option_loss(passed: Pass, batch: dict[str, Tensor], heads: Heads) -> tuple[Tensor, float]:
    """Each option knows, at its end, whether it is right; and how often the likeliest one is."""
    at = batch["option_at"]
    here = at >= 0
    rows = torch.arange(len(at))[:, None].expand_as(at)
    state = passed.hidden[OPTION_LAYER + 1][rows, at.clamp_min(0)]
    score = heads.right(state).squeeze(-1).float().masked_fill(~here, -1e4)
    accuracy = (score.argmax(-1) == batch["believed"]).float().mean().item()
    return F.cross_entropy(score, batch["believed"]), accuracy


def pointer_loss(passed: Pass, batch: dict[str, Tensor]) -> Tensor:
    """Before a letter, one head looks at the end of the option that the letter stands for."""
    maps = passed.attention[LETTER_LAYER].float()
    rows = torch.arange(len(batch["letter"]))
    target = batch["option_at"][rows, batch["letter"]]
    loss = maps.new_zeros(())
    for number in range(batch["letter_at"].shape[1]):
        at = batch["letter_at"][:, number]
        there = at >= 0
        if there.any():
            loss = loss - (maps[rows[there], 0, at[there], target[there]] + 1e-6).log().mean()
    return loss / batch["letter_at"].shape[1]


def clip(parameters: list[nn.Parameter]) -> None:
    """Keep one bad batch from undoing the rest."""
    nn.utils.clip_grad_norm_(parameters, 1.0)
