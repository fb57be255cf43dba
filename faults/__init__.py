"""What goes wrong in production, tried on several libraries. See `docs/guarantees.md`."""
