"""Tests; one module a module of the code."""
