"""From rendered rows to the tensors of one batch, each distinct image encoded once."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch

from pytest_vlmrobust.errors import ModelError
from pytest_vlmrobust.models.batches import expand_like
from pytest_vlmrobust.models.chat import Row
from pytest_vlmrobust.models.transformers.context import Context
from pytest_vlmrobust.models.transformers.loading import Loaded
from pytest_vlmrobust.models.transformers.parted import Parted
from pytest_vlmrobust.models.transformers.tokens import (
    appends_tokens,
    left_padded,
    real_tokens,
    token_keys,
)
from pytest_vlmrobust.models.transformers.units import (
    Unit,
    each_alone,
    image_order,
    in_row_order,
    unit_order,
    units_of,
)

Inputs = dict[str, Any]
"""Keyword arguments of ``generate``: tensors of shape (rows, tokens), and what the images became."""


class InputEncoder:
    """Turns rows into inputs for one model.

    Two ways lead to the same inputs. The plain one hands every row with its images to the processor. The
    shared one does so for one row of each sample, expands the other rows' image placeholders in the same way,
    encodes each image once and hands its features to all rows. The first shared batch is compared with
    the plain one; a model for which they differ goes the plain way from then on.
    """

    def __init__(self, loaded: Loaded) -> None:
        """Find out which way the model allows."""
        self._model = loaded.model
        self._processor = loaded.processor
        self._tokenizer = loaded.tokenizer
        self.context = Context(loaded.model.config)
        self._appends = appends_tokens(loaded.tokenizer)
        self._features: Any = getattr(self._model.base_model, "get_image_features", None)
        self.shares_images = (
            self._features is not None
            and "mm_encoder_outputs" in inspect.signature(self._model.forward).parameters
        )
        self._compared = False
        self._expands = True
        self._expansion_checked = False

    @torch.inference_mode()
    def encode(self, rows: Sequence[Row]) -> Inputs:
        """Encode rows as one left-padded batch on the model's device.

        Raises:
            DataError: an image cannot be opened.
            ModelError: the processor padded on the right, so that replies would follow padding; or a prompt
                is too long for the model.
        """
        units = units_of(rows)
        inputs = self._shared_or_none(rows, units) or self._moved(self._plain(rows, units))
        if not bool(inputs["attention_mask"][:, -1].all()):
            raise ModelError("the processor pads on the right; a reply has to follow the prompt itself")
        self.context.check(rows, inputs["attention_mask"].sum(dim=1).tolist())
        return inputs

    @torch.inference_mode()
    def encode_parted(self, rows: Sequence[Row]) -> Parted:
        """Encode rows with each sample's images once, and every row's tokens by themselves.

        Raises:
            DataError: an image cannot be opened.
            ModelError: a prompt is too long for the model.
        """
        units = units_of(rows)
        led = self._plain([rows[unit.rows[0]] for unit in units], each_alone(units))
        columns = self._expanded(rows, units, led) if self._expands else None
        if columns is not None and not self._expansion_checked:
            self._expansion_checked = True
            self._expands = real_tokens(self._plain(rows, units)) == columns
            columns = columns if self._expands else None
        if columns is None:  # a row of a sample tells nothing about the others: each is a unit by itself
            units = [Unit(rows=[index], images=unit.images) for unit in units for index in unit.rows]
            led = self._plain([rows[unit.rows[0]] for unit in units], each_alone(units))
            columns = real_tokens(led)
            columns = {name: in_row_order(values, units) for name, values in columns.items()}
        self.context.check(rows, [len(ids) for ids in columns["input_ids"]])
        return Parted(
            ids=columns["input_ids"],
            units=[unit.rows for unit in units],
            columns={
                name: [values[unit.rows[0]] for unit in units]
                for name, values in columns.items()
                if name not in ("input_ids", "attention_mask")
            },
            vision=self._moved({name: value for name, value in led.items() if name not in columns}),
        )

    def extend(self, inputs: Inputs, ids: Sequence[int]) -> Inputs | None:
        """Append generated tokens to a batch of one row; None when an image placeholder is among them."""
        if getattr(self._model.config, "image_token_id", None) in ids:
            return None
        prompt = inputs["input_ids"]
        more = torch.tensor([list(ids)], device=prompt.device, dtype=prompt.dtype)
        extended = dict(inputs)
        for name in token_keys(inputs):
            tail = {"input_ids": more, "attention_mask": torch.ones_like(more)}.get(
                name, torch.zeros_like(more)
            )
            extended[name] = torch.cat([inputs[name], tail], dim=1)
        return extended

    def _shared_or_none(self, rows: Sequence[Row], units: Sequence[Unit]) -> Inputs | None:
        if not self.shares_images or len(units) == len(rows):
            return None
        shared = self._shared(rows, units)
        if not self._compared:
            self._compared = True
            self.shares_images = shared is not None and self._same_as_plain(shared, rows, units)
        return shared if self.shares_images else None

    def _plain(self, rows: Sequence[Row], units: Sequence[Unit]) -> Inputs:
        images = {index: unit.images for unit in units for index in unit.rows}
        texts = [row.text for row in rows]
        inputs = dict(
            self._processor(
                text=texts,
                images=[images[index] for index in range(len(rows))],
                padding=True,
                return_tensors="pt",
                **self._text_options(texts),
            )
        )
        inputs.pop("labels", None)  # targets of training, which some processors add unasked
        return inputs

    def _text_options(self, texts: Sequence[str]) -> dict[str, bool]:
        """Keep the tokenizer from adding what the template already wrote, or anything after the prefill."""
        bos = self._tokenizer.bos_token
        if self._appends or (bos is not None and texts[0].startswith(bos)):
            return {"add_special_tokens": False}
        return {}

    def _shared(self, rows: Sequence[Row], units: Sequence[Unit]) -> Inputs | None:
        leaders = [rows[unit.rows[0]] for unit in units]
        led = self._plain(leaders, each_alone(units))
        columns = self._expanded(rows, units, led)
        if columns is None:
            return None
        fill = {"input_ids": self._tokenizer.pad_token_id}
        inputs = self._moved(
            {name: left_padded(values, fill.get(name, 0)) for name, values in columns.items()}
        )
        order = image_order(units, len(rows))
        by_size = {sum(len(unit.images) for unit in units): order, len(units): unit_order(units, len(rows))}
        moved = self._moved({name: value for name, value in led.items() if name not in columns})
        inputs["mm_encoder_outputs"] = {
            "image": self._image_features(moved, leaders, units, order, len(rows))
        }
        for name, value in moved.items():
            if name.startswith("pixel_"):
                continue
            if isinstance(value, torch.Tensor) and len(value) not in by_size:
                return None  # neither one entry for each image nor one for each text
            inputs[name] = value[by_size[len(value)]] if isinstance(value, torch.Tensor) else value
        return inputs

    def _expanded(
        self, rows: Sequence[Row], units: Sequence[Unit], led: Inputs
    ) -> dict[str, list[list[int]]] | None:
        """Expand every row like its unit's leader; None when a row cannot be."""
        texts = [row.text for row in rows]
        bare = self._tokenizer(texts, **self._text_options(texts))["input_ids"]
        leaders = real_tokens(led)
        columns: dict[str, list[list[int]]] = {name: [[]] * len(rows) for name in leaders}
        for place, unit in enumerate(units):
            leader = {name: values[place] for name, values in leaders.items()}
            for index in unit.rows:
                found = expand_like(bare[unit.rows[0]], leader["input_ids"], bare[index])
                if found is None:
                    return None
                ids, shared = found
                for name, values in leader.items():
                    text = values[-1]
                    if name == "input_ids":
                        columns[name][index] = ids
                    elif {text, *values[shared:]} == {text}:
                        columns[name][index] = values[:shared] + [text] * (len(ids) - shared)
                    else:
                        return None
        return columns

    def _image_features(
        self, vision: Inputs, leaders: Sequence[Row], units: Sequence[Unit], order: list[int], rows: int
    ) -> Any:
        """Encode each image once and lay its features out for all rows."""
        features = self._encode_images(vision)
        pooled = features.pooler_output
        if len(pooled) == sum(len(unit.images) for unit in units) and not _has_layers(features):
            chosen = pooled[order] if isinstance(pooled, torch.Tensor) else [pooled[index] for index in order]
            return type(features)(pooler_output=chosen)
        # One image became several entries (tiles): only a unit encoded by itself tells which are its own.
        by_row: list[Any] = [None] * rows
        for leader, unit in zip(leaders, units, strict=True):
            alone = self._plain([leader], [Unit(rows=[0], images=unit.images)])
            encoded = self._encode_images(self._moved(alone))
            for index in unit.rows:
                by_row[index] = encoded
        fields = {"pooler_output": _joined([each.pooler_output for each in by_row])}
        if _has_layers(features):
            layers = zip(*(each.deepstack_features for each in by_row), strict=True)
            fields["deepstack_features"] = [_joined(layer) for layer in layers]
        return type(features)(**fields)

    def _encode_images(self, inputs: Inputs) -> Any:
        wanted = inspect.signature(self._features).parameters
        return self._features(
            **{name: value for name, value in inputs.items() if name in wanted}, return_dict=True
        )

    def _same_as_plain(self, shared: Inputs, rows: Sequence[Row], units: Sequence[Unit]) -> bool:
        plain = self._moved(self._plain(rows, units))
        return all(
            name in shared and torch.equal(shared[name], value)
            for name, value in plain.items()
            if isinstance(value, torch.Tensor) and not name.startswith("pixel_")
        )

    def _moved(self, inputs: Inputs) -> Inputs:
        device, dtype = self._model.device, self._model.dtype
        return {
            name: value.to(device, dtype if value.is_floating_point() else value.dtype)
            if isinstance(value, torch.Tensor)
            else value
            for name, value in inputs.items()
        }


def _has_layers(features: Any) -> bool:
    return getattr(features, "deepstack_features", None) is not None


def _joined(parts: Sequence[Any]) -> Any:
    if isinstance(parts[0], torch.Tensor):
        return torch.cat(list(parts))
    return [piece for part in parts for piece in part]
