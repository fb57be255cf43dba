"""The package with real libraries, against real servers."""
