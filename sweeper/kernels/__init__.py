"""Recurrent layers for training on a CPU, compiled by Numba: forward and gradient over real tokens only.

A batch of right-padded sequences is packed: rows in order of falling length, one time step after
another, so that step t is one contiguous block of the rows that are at least t + 1 tokens long.
Padding is never computed. Both directions read the same packing; for the backward one each
sequence is taken from its own end.

The results are those of Keras's masked layers, whose weights these functions take. The matrix
products are BLAS's, small ones while a step's block is in the cache; everything else of a step is
loops over stretches of memory.
"""
