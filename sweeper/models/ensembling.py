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

from ..layers.crf import CRF


def averaged_logits(logits: Sequence[tf.Tensor]) -> tf.Tensor:
    """The logits of all together, float32 (..., labels). That each model's are probabilities only once they are normalised
    does not matter: what is missing is the same for every label."""
    return tf.add_n(list(logits)) / len(logits)


def averaged_crf(crfs: Sequence[CRF | None]) -> CRF | None:
    """What weighs the labels of all together; None if none of them does. One without has no say in what follows what."""
    real = [crf for crf in crfs if crf is not None]
    if not real:
        return None
    together = CRF(real[0].labels, real[0].forbidden)
    together.build(None)
    for name in ("transitions", "starts", "ends"):
        getattr(together, name).assign(np.sum([getattr(crf, name).numpy() for crf in real], axis=0) / len(crfs))
    return together
