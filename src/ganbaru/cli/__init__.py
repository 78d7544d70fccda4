"""The command line: the main parser, shared options, and one module for each command."""
