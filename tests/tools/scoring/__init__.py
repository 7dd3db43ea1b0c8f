"""The parts of tests/tools/score."""
