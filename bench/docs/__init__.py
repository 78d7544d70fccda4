"""The documentation as a site and as a program: generated reference, executed pages, notebooks."""
