"""Models behind a server that speaks the OpenAI protocol."""

from pytest_vlmrobust.models.openai.model import OpenAIModel

__all__ = ["OpenAIModel"]
