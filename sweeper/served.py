"""The exported model behind MLflow's own serving: a script that MLflow runs, with nothing pickled.

MLflow copies this file beside the SavedModel (its "models from code"). It imports nothing of ours.
"""

from __future__ import annotations

from typing import Any

import mlflow.models
import mlflow.pyfunc
import pandas as pd


class Served(mlflow.pyfunc.PythonModel):  # type: ignore[misc,name-defined]
    """A table with a column `text` in, a table of answers out."""

    def load_context(self, context: Any) -> None:
        import tensorflow as tf

        self.loaded = tf.saved_model.load(context.artifacts["saved_model"])

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:
        import tensorflow as tf

        answers = self.loaded.signatures["serving_default"](text=tf.constant(model_input["text"].tolist()))
        columns = {name: value.numpy().tolist() for name, value in answers.items()}
        return pd.DataFrame({name: [_text(value) for value in values] for name, values in columns.items()})


def _text(value: Any) -> Any:
    if isinstance(value, list):
        return [_text(item) for item in value]
    return value.decode("utf-8") if isinstance(value, bytes) else value


mlflow.models.set_model(Served())
