"""Speed and memory against the reference pipeline, as ratios within one run."""
