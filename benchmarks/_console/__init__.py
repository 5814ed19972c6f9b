"""Parts of the benchmark `console`: the service that people work at, and the browser that they work with."""
