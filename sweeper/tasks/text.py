"""Text classification: topics, kinds, intents."""

from .classification import Classification

TEXT = Classification("text")
