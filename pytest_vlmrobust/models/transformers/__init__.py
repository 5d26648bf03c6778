"""Models that the ``transformers`` library loads; the only part of the package that imports torch."""

from pytest_vlmrobust.models.transformers.model import TransformersModel

__all__ = ["TransformersModel"]
