"""Corpora: what they are, their index, integrity, splits, features and download."""
