"""Measures Penstock beside its limits and its peers: `python -m benchmarks`. See docs/benchmarks.md for the results."""
