"""Watching a system that decides: quality of data, drift, calibration, performance, service levels, alerts."""

from adjudge.monitor.expectations import Expectations
from adjudge.monitor.watch import Watch, Watched, watch

__all__ = ["Expectations", "Watch", "Watched", "watch"]
