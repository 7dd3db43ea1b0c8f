"""The parts of tests/score."""
