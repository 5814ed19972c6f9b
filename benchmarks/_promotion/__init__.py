"""Parts of the benchmark `promotion`: the service that is changed under load, and whoever sends and keeps answers."""
