"""What is sold."""

from django.db import models


class Item(models.Model):
    """Something that is sold."""

    name = models.CharField(max_length=100)
