"""The settings: PostgreSQL where DATABASE_URL leads to it, or else SQLite."""

import os
from pathlib import Path
from urllib.parse import urlsplit

url = urlsplit(os.environ.get("DATABASE_URL", ""))
if url.scheme == "postgresql":
    database = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": os.environ.get("DATABASE_NAME", url.path[1:]),
        "USER": url.username,
        "HOST": url.hostname,
        "PORT": url.port,
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
    }
else:
    database = {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": Path(os.environ.get("DATABASE_FOLDER", "."), "shop.sqlite3"),
    }

SECRET_KEY = "of a test"
DEBUG = "DEBUG" in os.environ
ALLOWED_HOSTS = ["127.0.0.1", "testserver"]
DATABASES = {"default": database}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["shop"]
MIDDLEWARE = ["django.middleware.common.CommonMiddleware", "shop.views.german"]
ROOT_URLCONF = "shop.urls"
USE_I18N = True
USE_TZ = True
