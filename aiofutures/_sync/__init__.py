"""The synchronous side of async functions, generators and context managers."""
