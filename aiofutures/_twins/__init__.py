"""The synchronous twins of async classes, at run time."""
