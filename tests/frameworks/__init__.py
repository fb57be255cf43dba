"""The package in web frameworks, task queues, notebooks and SDKs, each with real processes."""
