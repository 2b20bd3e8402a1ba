"""What screens share: frame, cached loaders, state keys, widgets."""
