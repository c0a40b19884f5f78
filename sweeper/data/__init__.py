"""From a declared dataset to integer arrays on disk."""
