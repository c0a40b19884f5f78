"""An exported folder as a model of MLflow, served by a script of ours with nothing pickled."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any


def log_export(export: Path) -> str:
    """Log an exported folder as a model of the active run; returns the model's URI."""
    import mlflow
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    logged = mlflow.pyfunc.log_model(
        name="model",
        python_model=str(Path(__file__).parent.parent / "serving" / "mlflow_model.py"),
        artifacts={"saved_model": str(export)},
        # Outputs differ by task, so the signature leaves them open.
        signature=ModelSignature(inputs=Schema([ColSpec(DataType.string, "text")]), params=_params(export)),
        pip_requirements=[
            f"tensorflow=={metadata.version('tensorflow')}",
            f"mlflow=={metadata.version('mlflow')}",
            "pandas",
        ],
    )
    return str(logged.model_uri)


def _params(export: Path) -> Any:
    """What a model that writes may be asked for, with its usual values; None for any other."""
    from mlflow.types import DataType, ParamSchema, ParamSpec

    kinds = {str: DataType.string, int: DataType.long, float: DataType.double}
    kept = [export / name for name in ("sampling.json", "decoding.json") if (export / name).is_file()]
    if not kept:
        return None
    usual = json.loads(kept[0].read_text(encoding="utf-8"))
    return ParamSchema([ParamSpec(name, kinds[type(value)], value) for name, value in usual.items()])


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """MLflow prints lines of its own while it logs a model."""
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        yield
