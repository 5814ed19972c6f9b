"""Benchmarks with permanent names: each measures adjudge beside its peers, on the same data, in the same run."""
