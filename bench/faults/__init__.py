"""The fault campaign: what hostile files, kills and careless paths may not do, often tried.

    python -m bench.faults                    everything: 5,000 damaged files, 200 kills; an hour
    python -m bench.faults --quick            a part of each, within a minute
    python -m bench.faults fuzz --trials 500  one part
    python -m bench.faults kills -o found.json    goes on where the same command was cut off
    python -m bench.faults fuzz --seed 1 --only "checkpoint 12"    one trial again

Each trial is a command, or a function of the Python API, in a forked child with limits of time and
memory; what it starts, imports, connects to and writes is watched. The trials of a seed are always
the same. SECURITY.md has the promises that are tried. POSIX only.
"""
