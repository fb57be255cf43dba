"""The synchronous face of async functions, generators and context managers."""
