"""What a competent Keras user writes today: the script that sweeper is compared with.

KerasTuner's RandomSearch over one process with all cores, texts vectorised once and padded to
one length, masked layers, early stopping, every trial in MLflow, the best model scored on test
data. It shares no code with sweeper but the scorer of spans.

    python -m benchmarks.handwritten FOLDER SPACE.toml --epochs 3 --seed 0 --max-length 400 [--seconds 600] [--split character] [--jit]

FOLDER holds train, validation and test as .csv files (text, label) or .conll files (token, tag).
The space's `choice` and `fixed` parameters are read from the same file as sweeper's, so that both
train the same configurations; it stops after `--seconds`, where they are given. With `--jit` XLA compiles the model, which
Keras leaves off for recurrent layers unless it is told. One JSON object is printed at the end.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
import tomllib
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import keras_tuner
import mlflow
import numpy as np
import pandas as pd

BATCH, SCORED, PATIENCE, VOCABULARY = 64, 256, 3, 20_000
BEGAN = time.time()


def read_texts(folder: Path, part: str) -> tuple[list[str], list[str]]:
    table = pd.read_csv(folder / f"{part}.csv", dtype=str, keep_default_na=False)
    return table["text"].tolist(), table["label"].tolist()


def read_sentences(folder: Path, part: str) -> tuple[list[list[str]], list[list[str]]]:
    blocks = (folder / f"{part}.conll").read_text(encoding="utf-8").strip().split("\n\n")
    rows = [[line.split("\t") for line in block.split("\n")] for block in blocks]
    return [[cells[0] for cells in row] for row in rows], [[cells[1] for cells in row] for row in rows]


def vectorise_texts(folder: Path, length: int, split: str):
    parts = {part: read_texts(folder, part) for part in ("train", "validation", "test")}
    names = sorted(set(parts["train"][1]))
    vectorise = keras.layers.TextVectorization(max_tokens=VOCABULARY, split=split, output_sequence_length=length)
    vectorise.adapt(parts["train"][0], batch_size=1_024)
    arrays = {
        part: (np.asarray(vectorise(texts)), np.array([names.index(label) for label in labels]))
        for part, (texts, labels) in parts.items()
    }
    return arrays, names, vectorise.vocabulary_size()


def vectorise_sentences(folder: Path, length: int):
    parts = {part: read_sentences(folder, part) for part in ("train", "validation", "test")}
    names = sorted({tag for tags in parts["train"][1] for tag in tags})
    words = pd.Series([word for tokens in parts["train"][0] for word in tokens]).value_counts().index[: VOCABULARY - 2]
    word_ids = {word: number for number, word in enumerate(words, start=2)}
    tag_ids = {name: number for number, name in enumerate(names)}

    def padded(rows, ids, unknown):
        table = np.zeros((len(rows), length), np.int32)
        for place, row in enumerate(rows):
            table[place, : len(row)] = [ids.get(item, unknown) for item in row[:length]]
        return table

    arrays = {part: (padded(tokens, word_ids, 1), padded(tags, tag_ids, 0)) for part, (tokens, tags) in parts.items()}
    return arrays, names, len(word_ids) + 2


def build(hp: keras_tuner.HyperParameters, space: dict, names: list[str], vocabulary: int, tagging: bool, jit: bool):
    chosen = {
        name: hp.Choice(name, rule["choice"]) if "choice" in rule else hp.Fixed(name, rule["fixed"])
        for name, rule in space.items()
    }
    ids = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(vocabulary, chosen["embedding_units"], mask_zero=True)(ids)
    cell = {"simple_rnn": keras.layers.SimpleRNN, "gru": keras.layers.GRU, "lstm": keras.layers.LSTM}[chosen["cell"]]
    x = keras.layers.Bidirectional(cell(chosen["units"], return_sequences=True))(x)
    if not tagging:
        x = keras.layers.GlobalMaxPooling1D()(x)
    x = keras.layers.Dropout(chosen["dropout"])(x)
    model = keras.Model(ids, keras.layers.Dense(len(names), activation="softmax")(x))
    model.compile(
        keras.optimizers.Adam(chosen["learning_rate"], global_clipnorm=1.0),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        weighted_metrics=[],
        jit_compile=jit,
    )
    return model


class Tuner(keras_tuner.RandomSearch):
    """Logs every trial as a nested run; the one that runs when the budget is used up ends with its epoch, and is the last."""

    seconds = math.inf

    def _late(self) -> bool:
        return time.time() > BEGAN + self.seconds

    def _configure_tensorboard_dir(self, *_) -> None:
        """KerasTuner imports TensorBoard whether a callback wants it or not; here none does, and it is not installed."""

    def run_trial(self, trial, *arguments, **options):
        with mlflow.start_run(run_name=f"trial-{trial.trial_id}", nested=True):
            mlflow.log_params(trial.hyperparameters.values)
            log = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: mlflow.log_metrics(logs, step=epoch))
            options["callbacks"] = [*options.pop("callbacks", []), log, StopWhen(self._late)]
            found = super().run_trial(trial, *arguments, **options)
            if self._late():
                self.oracle.max_trials = len(self.oracle.trials)
            return found


class StopWhen(keras.callbacks.Callback):
    """Ends a fit after the epoch in which something came true."""

    def __init__(self, true) -> None:
        super().__init__()
        self.true = true

    def on_epoch_end(self, epoch, logs=None) -> None:
        self.model.stop_training = self.model.stop_training or self.true()


def score(model: keras.Model, ids: np.ndarray, labels: np.ndarray, names: list[str], tagging: bool) -> float:
    predicted = model.predict(ids, batch_size=SCORED, verbose=0).argmax(-1)
    if not tagging:
        return float((predicted == labels).mean())
    real = [row != 0 for row in ids]
    if not any(name.startswith("B-") for name in names):
        return float(np.mean((predicted == labels)[np.array(real)]))
    from sweeper.tasks.tagging import span_scores

    sentences = [
        [[names[tag] for tag in row[kept]] for row, kept in zip(tags, real, strict=True)]
        for tags in (labels, predicted)
    ]
    return span_scores(*sentences)["f1"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("space", type=Path)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--max-length", type=int, default=400)
    parser.add_argument("--seconds", type=float, default=math.inf)
    parser.add_argument("--split", choices=["whitespace", "character"], default="whitespace")
    parser.add_argument("--jit", action="store_true")
    options = parser.parse_args()

    keras.utils.set_random_seed(options.seed)
    space = tomllib.loads(options.space.read_text(encoding="utf-8"))["parameters"]
    tagging = (options.folder / "train.conll").exists()
    arrays, names, vocabulary = (
        vectorise_sentences(options.folder, options.max_length)
        if tagging
        else vectorise_texts(options.folder, options.max_length, options.split)
    )
    weights = {part: ids != 0 for part, (ids, _) in arrays.items()} if tagging else dict.fromkeys(arrays)

    trials = int(np.prod([len(rule["choice"]) for rule in space.values() if "choice" in rule]))
    tuner = Tuner(
        lambda hp: build(hp, space, names, vocabulary, tagging, options.jit),
        objective="val_accuracy",
        max_trials=trials,
        seed=options.seed + 1,
        directory="tuner",
        project_name=f"seed-{options.seed}",
        overwrite=True,
    )
    tuner.oracle._max_collisions = 1_000  # so that every configuration of a small space is found
    tuner.seconds = options.seconds
    mlflow.set_tracking_uri("sqlite:///handwritten.db")
    mlflow.set_experiment("handwritten")
    with mlflow.start_run() as run:
        tuner.search(
            arrays["train"][0],
            arrays["train"][1],
            sample_weight=weights["train"],
            validation_data=tuple(item for item in (*arrays["validation"], weights["validation"]) if item is not None),
            epochs=options.epochs,
            batch_size=BATCH,
            validation_batch_size=SCORED,
            callbacks=[keras.callbacks.EarlyStopping(patience=PATIENCE, restore_best_weights=True)],
            verbose=0,
        )
        best = tuner.get_best_models()[0]
        found = {
            "run": run.info.run_id,
            "validation": score(best, *arrays["validation"], names, tagging),
            "test": score(best, *arrays["test"], names, tagging),
        }
        mlflow.log_metrics({f"best_{name}": found[name] for name in ("validation", "test")})
    print(json.dumps(found))


if __name__ == "__main__":
    main()
