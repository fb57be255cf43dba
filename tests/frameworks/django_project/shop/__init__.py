"""A Django project whose views call async functions."""
