"""Other people's libraries, imported once by the process that the tests' processes are forked from.

None of them may read our settings while it is imported: each process has settings of its own.
"""

import importlib
import os

# What pytest-django put there would be found by a library that reads settings; without it, such a library is refused.
os.environ.pop("DJANGO_SETTINGS_MODULE", None)

LIBRARIES = (
    "PIL.Image",
    "allauth.account.app_settings",
    "asn1crypto.tsp",
    "cel",
    "celery.app.base",
    "cryptography.hazmat.primitives.serialization.pkcs12",
    "cryptography.x509",
    "django.contrib.postgres.fields",
    "django.core.management.commands.migrate",
    "django.core.management.commands.shell",
    "django.db.backends.postgresql.base",
    "django.db.backends.sqlite3.base",
    "django.test",
    "django.views.generic",
    "django_structlog",
    "environs",
    "fido2.server",
    "jinja2",
    "nacl.bindings",
    "numpy",
    "prompt_toolkit",
    "psycopg",
    "requests",
    "rich.console",
    "structlog",
    "typer",
    "urllib3",
    "yaml",
)
for library in LIBRARIES:
    importlib.import_module(library)
