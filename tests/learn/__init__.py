"""Tests of learning: metrics, splits, thresholds, evaluation, report, bundle."""
