"""The payments system with every kind of model at once, as a folder that `adjudge --system` takes."""
