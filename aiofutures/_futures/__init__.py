"""The outcome of a call, and its waiters."""
