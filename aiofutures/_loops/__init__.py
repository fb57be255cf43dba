"""The event loops that run calls, their threads and their worker threads."""
