"""Whole async classes with a synchronous face."""
