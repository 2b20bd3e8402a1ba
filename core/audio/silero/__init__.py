"""Silero's voice detector as matrix products; ``python -m core.audio.silero`` writes its weights."""
