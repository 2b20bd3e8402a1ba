"""Figures from arrays and results; returned, never shown."""
