"""Benchmarks: ours beside a peer, in one process. `python -m benchmarks` runs them all."""
