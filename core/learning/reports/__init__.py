"""Tables and texts computed from a model's own files."""
