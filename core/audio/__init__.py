"""From bytes to features: decoding with limits, quality checks, the reference feature set."""
