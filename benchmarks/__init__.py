"""Benchmarks: each is a script that prints Markdown tables, ours beside a peer in the same run."""
