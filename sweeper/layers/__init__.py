"""Keras layers of our own: only what owns weights and Keras does not have."""
