"""The generator of stubs for the synchronous twins of async classes."""
