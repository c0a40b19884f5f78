"""The exported model behind MLflow's own serving: a script that MLflow runs, with nothing pickled.

MLflow copies this file beside the SavedModel (its "models from code"). It imports nothing of ours.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mlflow.models
import mlflow.pyfunc
import pandas as pd


class Served(mlflow.pyfunc.PythonModel):  # type: ignore[misc,name-defined]
    """A table with a column `text` in, a table of answers out; what writes takes parameters too.

    Texts of a model that goes on with prompts are the prompts, and may be empty.
    """

    def load_context(self, context: Any) -> None:
        import tensorflow as tf

        folder = Path(context.artifacts["saved_model"])
        self.loaded = tf.saved_model.load(str(folder))
        self.sampling, self.decoding = (
            json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None
            for file in (folder / "sampling.json", folder / "decoding.json")
        )

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:
        import tensorflow as tf

        ask, texts = self.loaded.signatures["serving_default"], tf.constant(model_input["text"].tolist(), tf.string)
        params = params or {}
        if self.decoding is not None and {**self.decoding, **params} != self.decoding:
            asked = {**self.decoding, **params}
            width = tf.constant(asked["beam_width"], tf.int32)
            penalty = tf.constant(asked["length_penalty"], tf.float32)
            answers = self.loaded.signatures["beam"](text=texts, beam_width=width, length_penalty=penalty)
        elif self.sampling is None:
            answers = ask(text=texts)
        else:
            asked = {**self.sampling, **params}
            label, temperature = tf.fill(tf.shape(texts), asked["label"]), tf.constant(asked["temperature"], tf.float32)
            numbers = {name: tf.constant(asked[name], tf.int32) for name in ("top_k", "seed", "length")}
            answers = ask(prompt=texts, label=label, temperature=temperature, **numbers)
        columns = {name: value.numpy().tolist() for name, value in answers.items()}
        return pd.DataFrame({name: [_text(value) for value in values] for name, values in columns.items()})


def _text(value: Any) -> Any:
    if isinstance(value, list):
        return [_text(item) for item in value]
    return value.decode("utf-8") if isinstance(value, bytes) else value


mlflow.models.set_model(Served())
