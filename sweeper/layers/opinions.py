"""Several models that label the same things, as one.

Their distributions are pooled by the geometric mean, which averages logarithms: of single labels those of the
probabilities, of sequences that a CRF weighs together those of its factors, since the geometric mean of linear-chain
CRFs is one again. Source: Heskes 1998, "Selecting Weighting Factors in Logarithmic Opinion Pools"; for CRFs Smith,
Cohn and Osborne 2005, "Logarithmic Opinion Pools for Conditional Random Fields".
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from .crf import CRF


def pooled(logits: Sequence[tf.Tensor], crfs: Sequence[CRF | None]) -> tf.Tensor:
    """The logits of all together.

    Args:
        logits: of each model, float32 (..., labels).
        crfs: of each model, if it has one.
    """
    factors = [one if crf else tf.nn.log_softmax(one) for one, crf in zip(logits, crfs, strict=True)]
    return tf.add_n(factors) / len(factors)


def pooled_crf(crfs: Sequence[CRF | None]) -> CRF | None:
    """What weighs the labels of all together; None if none of them does. One without has no say in what follows what."""
    real = [crf for crf in crfs if crf is not None]
    if not real:
        return None
    together = CRF(real[0].labels, real[0].forbidden)
    together.build(None)
    for name in ("transitions", "starts", "ends"):
        getattr(together, name).assign(np.sum([getattr(crf, name).numpy() for crf in real], axis=0) / len(crfs))
    return together
