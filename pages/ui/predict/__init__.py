"""The parts of the Predict screen."""
