"""Sentiment: positive or negative, or ordered stars where the labels are numbers."""

from .classification import Classification

SENTIMENT = Classification("sentiment")
