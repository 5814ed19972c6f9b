"""From a history with labels to a bundle: tables, splits, metrics, thresholds, evaluation, reports."""
