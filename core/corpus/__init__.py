"""RAVDESS: file names, index, integrity, splits, feature store, and a generated stand-in for tests."""
