"""The parts of the Metrics screen."""
