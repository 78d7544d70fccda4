"""The image sets that are known by name: one module each, which declares DATASET."""
