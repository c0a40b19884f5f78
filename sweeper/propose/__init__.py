"""Which configuration comes next: ask/tell over KerasTuner's oracles. The only importer of keras_tuner.

KerasTuner's `Tuner` is not used. Its oracles are asked and told from one process, and made to fit in `oracles`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..declared.spaces import SearchSpace
from ..errors import SweepError
from .oracles import build_oracle


@dataclass(frozen=True)
class Proposal:
    """A configuration to try.

    Args:
        key: the oracle's name for it.
        values: active parameters of the space only.
        epochs: train up to so many in all; None for the sweep's own number.
        continues: the key of the proposal whose weights it continues with, trained for
            `initial_epoch` epochs.
    """

    key: str
    values: dict[str, Any]
    epochs: int | None = None
    continues: str | None = None
    initial_epoch: int = 0


class Proposer:
    """Asks an oracle for configurations and tells it how they did.

    Args:
        algorithm: one of `arguments.ALGORITHMS`.
        epochs: the most that hyperband gives to one configuration.
    """

    def __init__(self, space: SearchSpace, *, algorithm: str, objective: str, epochs: int, seed: int) -> None:
        self.space = space
        self.objective = objective
        self.oracle = build_oracle(algorithm, space, objective, epochs, seed)

    def ask(self) -> Proposal | None:
        """The next configuration, one that was not proposed before; None where nothing is left to try, or nothing until a
        running trial ends."""
        trial = self.oracle.create_trial(f"asker-{len(self.oracle.trials)}")
        return self._proposal(trial) if trial.status == "RUNNING" else None

    def tell(self, proposal: Proposal, score: float | None) -> None:
        """Say how a proposal did; None if it failed."""
        trial = self.oracle.trials[proposal.key]
        if score is None:
            self.oracle.give_up(trial)
            trial.status = "FAILED"  # not INVALID, which would be retried, unchanged
        else:
            self.oracle.update_trial(proposal.key, {self.objective: score})
            trial.status = "COMPLETED"
        self.oracle.end_trial(trial)

    def ask_again(self, configuration: Mapping[str, Any]) -> Proposal:
        """Ask for what was asked before, so that the oracle's state is rebuilt.

        Raises:
            SweepError: the oracle proposes something else; the space, the seed or a version differs.
        """
        asked = self.ask()
        if asked is None or any(configuration.get(name) != value for name, value in asked.values.items()):
            raise SweepError(
                "the oracle no longer proposes what it proposed; was a package updated since the sweep began? Start a new sweep"
            )
        return asked

    def may_go_on(self) -> set[str]:
        """Keys of proposals with which hyperband may still go on: their rung's next one has room."""
        return self.oracle.may_go_on()

    def _proposal(self, trial: Any) -> Proposal:
        raw: Mapping[str, Any] = trial.hyperparameters.values
        # The oracle's table may hold parameters that are not active; the space says which are.
        values = self.space.active({name: value for name, value in raw.items() if not name.startswith("tuner/")})
        return Proposal(
            trial.trial_id,
            values,
            epochs=raw.get("tuner/epochs"),
            continues=raw.get("tuner/trial_id") if raw.get("tuner/initial_epoch") else None,
            initial_epoch=raw.get("tuner/initial_epoch", 0),
        )
