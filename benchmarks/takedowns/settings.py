"""The product's settings with django-auditlog and the app of the benchmark (T6)."""

from config.settings import *  # noqa: F403
from config.settings import INSTALLED_APPS as PRODUCT_APPS

INSTALLED_APPS = [*PRODUCT_APPS, "auditlog", "benchmarks.takedowns"]
