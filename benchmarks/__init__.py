"""Benchmarks with permanent names: adjudge beside its peers, on the same data, in the same run."""
