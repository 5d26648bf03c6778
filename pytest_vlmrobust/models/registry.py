"""Model specs: what a user may write for a model, and what it loads.

=========================  ==========================================================================
``bundled:NAME``           a tiny model that ships with the package
``PATH``                   a folder that `save_pretrained` wrote, model and processor
``ORGANIZATION/MODEL``     the same on the hub, with ``@REVISION`` to pin one
``openai:MODEL@URL``       a model behind a server that speaks the OpenAI protocol
``package.module:factory`` a function of no arguments that returns a `Model`
=========================  ==========================================================================
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import re
import sys
from dataclasses import replace
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING

from pytest_vlmrobust.errors import ModelError, UsageError, VlmRobustError, gist, unknown_name
from pytest_vlmrobust.models.base import Model, Storable
from pytest_vlmrobust.models.bundled import check_bundled_name
from pytest_vlmrobust.models.checkpoint import Checkpoint, ModelOptions
from pytest_vlmrobust.models.dialects import Dialect, find_dialect
from pytest_vlmrobust.models.folders import check_folder_or_hub_id
from pytest_vlmrobust.remote.spec import check_server_spec, is_server_spec

if TYPE_CHECKING:
    from pytest_vlmrobust.remote.options import RemoteOptions
    from pytest_vlmrobust.store import Store

DTYPES = ("auto", "float32", "bfloat16", "float16")
"""Allowed values of a dtype setting; ``auto`` is bfloat16 on CUDA, else float32."""

_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?")
_FACTORY = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_SCHEMES = ("bundled", "openai")


def check_device(device: str) -> None:
    """Refuse a device that is never known; whether it is there shows on loading.

    Raises:
        UsageError: it is none of auto, cpu, cuda, cuda:N and mps.
    """
    if not _DEVICE.fullmatch(device):
        raise UsageError(f"device {device!r}: allowed are auto, cpu, cuda, cuda:N (such as cuda:1) and mps")


def check_dtype(dtype: str) -> None:
    """Refuse an unknown dtype.

    Raises:
        UsageError: it is none of `DTYPES`.
    """
    if dtype not in DTYPES:
        raise unknown_name("dtype", dtype, DTYPES)


def check_model_spec(spec: str) -> None:
    """Refuse a spec that names no model, without loading anything heavy.

    Args:
        spec: see the table of this module.

    Raises:
        UsageError: the spec is empty, of an unsupported kind, or names no bundled model, folder or module.
    """
    if not spec.strip():
        raise UsageError(
            "model spec is empty: name a model, such as 'bundled:grounded' or the path of a folder"
        )
    scheme, separator, rest = spec.partition(":")
    if separator and scheme == "bundled":
        check_bundled_name(rest)
    elif is_server_spec(spec):
        check_server_spec(spec)
    elif _FACTORY.fullmatch(spec):
        _check_module(spec, scheme)
    else:
        check_folder_or_hub_id(spec)


def load_model(
    spec: str,
    *,
    device: str = "auto",
    dtype: str = "auto",
    batch_size: int | None = None,
    max_new_tokens: int | None = None,
    threads: int | None = None,
    dialect: Dialect | str | None = None,
    reference: bool = False,
    store: Store | None = None,
    remote: RemoteOptions | None = None,
) -> Model:
    """Load a model.

    Args:
        spec: see the table of this module.
        device: auto (CUDA if there is one, else the CPU), cpu, cuda, cuda:N or mps.
        dtype: auto (bfloat16 on CUDA, else float32), float32, bfloat16 or float16.
        batch_size: rows in a batch, one for each sample and condition; by default what the free memory holds.
            Halved when memory runs out.
        max_new_tokens: the most tokens of a reply, which is truncated there; by default what the dialect
            says, else 512.
        threads: CPU threads for a model on the CPU; by default PyTorch's own choice.
        dialect: how prompts are worded: a `Dialect`, the name of one, the path of a TOML file, or ``auto``,
            which is the default: what the folder's config.json says under ``vlmrobust_dialect``, else what
            the model's name, its type and its chat template tell, else ``plain``.
        reference: answer one prompt at a time by the library's own ``generate`` and reuse nothing: slow,
            and what every faster way has to agree with.
        store: remembers how models load. One that it knows is loaded when it is first asked for an
            answer, since all that its replies are known by is known before.
        remote: how a server is asked: how many requests at once, for how long, at what cost.

    A factory is called without arguments: it makes these choices itself; so does a server, but for the
    dialect, the longest reply and ``remote``.

    Raises:
        UsageError: the spec or a setting is wrong.
        ModelError: the model was found and cannot be loaded.
    """
    check_model_spec(spec)
    options = ModelOptions(
        device=device,
        dtype=dtype,
        batch_size=batch_size,
        max_new_tokens=max_new_tokens,
        threads=threads,
        dialect=find_dialect(dialect) if isinstance(dialect, str) else dialect,
        reference=reference,
    )
    _check_options(options)
    if is_server_spec(spec):
        return _from_server(spec, options, remote, store)
    if spec.partition(":")[0] not in _SCHEMES and _FACTORY.fullmatch(spec):
        return _from_factory(spec)
    return _from_folder(spec, options, store)


def _check_options(options: ModelOptions) -> None:
    check_device(options.device)
    check_dtype(options.dtype)
    for name in ("batch_size", "max_new_tokens", "threads"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise UsageError(f"{name}={value}: has to be 1 or more")


def _from_server(
    spec: str, options: ModelOptions, remote: RemoteOptions | None, store: Store | None
) -> Model:
    from pytest_vlmrobust.models.openai import OpenAIModel

    return OpenAIModel.load(
        spec, max_new_tokens=options.max_new_tokens, dialect=options.dialect, options=remote, store=store
    )


def _from_folder(spec: str, options: ModelOptions, store: Store | None) -> Model:
    if store is None:
        return _load(Checkpoint.resolve(spec, options), None)
    from pytest_vlmrobust.models.remembered import RememberedModel, recall, recalled_rows

    checkpoint = Checkpoint.resolve(spec, options, file_digest=store.file_digest)
    info, template = recall(store, checkpoint), checkpoint.template
    if info is None or template is None:
        return _load(replace(checkpoint, rows_at_once=recalled_rows(store, checkpoint)), store)
    return RememberedModel(checkpoint, info, template, lambda again: _load(again, store))


def _load(checkpoint: Checkpoint, store: Store | None) -> Storable:
    from pytest_vlmrobust.models.transformers import TransformersModel

    model = TransformersModel.load(checkpoint)
    if store is not None:
        from pytest_vlmrobust.models.remembered import remember

        remember(store, checkpoint, model.info)
        model.on_smaller_batches = lambda: remember(store, checkpoint, model.info)
    return model


def _check_module(spec: str, module: str) -> None:
    """Look for a module along the path without running any of its packages."""
    path: list[str] | None = None
    parts = module.split(".")
    for depth in range(len(parts)):
        name = ".".join(parts[: depth + 1])
        if name in sys.modules:
            path = list(getattr(sys.modules[name], "__path__", []))
            continue
        found = importlib.util.find_spec(name) if depth == 0 else PathFinder.find_spec(name, path)
        if found is None:
            near = difflib.get_close_matches(module, _SCHEMES, n=1, cutoff=0.6)
            hint = f"; did you mean '{near[0]}:{spec.partition(':')[2]}'?" if near else "."
            raise UsageError(
                f"model {spec!r}: no module named {name!r}{hint} A module has to be installed or on "
                "sys.path; pytest's `pythonpath` setting adds a folder"
            )
        path = list(found.submodule_search_locations or [])


def _from_factory(spec: str) -> Model:
    module_name, _, attribute = spec.partition(":")
    try:
        target: object = importlib.import_module(module_name)
    except Exception as error:
        raise ModelError(f"model {spec!r}: importing {module_name!r} failed ({gist(error)})") from error
    for part in attribute.split("."):
        if not hasattr(target, part):
            raise _unknown_attribute(spec, module_name, part, target)
        target = getattr(target, part)
    if not callable(target):
        raise UsageError(
            f"model {spec!r}: {attribute} is a {type(target).__name__}; it has to be a function of no "
            "arguments that returns a model"
        )
    try:
        model = target()
    except VlmRobustError:
        raise
    except Exception as error:
        raise ModelError(f"model {spec!r}: the factory failed ({gist(error)})") from error
    if not isinstance(model, Model):
        lacking = [name for name in ("info", "reply_format", "answer", "close") if not hasattr(model, name)]
        raise UsageError(
            f"model {spec!r}: the factory returned a {type(model).__name__}, which lacks "
            f"{', '.join(lacking)}; see pytest_vlmrobust.Model"
        )
    return model


def _unknown_attribute(spec: str, module: str, name: str, target: object) -> UsageError:
    near = difflib.get_close_matches(name, dir(target), n=3, cutoff=0.6)
    hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
    return UsageError(f"model {spec!r}: {module} has no {name!r}{hint}")
