"""Planning: how long a training takes, how much memory and disk, before it begins."""
