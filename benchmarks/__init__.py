"""What the package costs, measured beside its peers: `python -m benchmarks` in the repository.

One module per question. Both sides of a line run in one process in alternation, or in one new
process each where memory or threads are at stake, on one CPU. Losses are shown.
"""
