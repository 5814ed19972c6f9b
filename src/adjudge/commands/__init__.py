"""The verbs of the command line, by what they are about; `adjudge.cli` puts them together."""
