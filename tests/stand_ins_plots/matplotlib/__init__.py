"""A stand-in for matplotlib in the processes of tests that do not look at their plots.

Importing the real one and drawing two plots takes 1.5 s of processor time in each.
"""
