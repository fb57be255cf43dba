"""The ground that all other modules stand on."""
