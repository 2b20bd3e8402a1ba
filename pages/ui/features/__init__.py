"""The parts of the Features screen."""
