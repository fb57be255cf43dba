"""The outcome of a call, and those who wait for it."""
