"""A tiny Django app whose rows are saved plainly, with django-auditlog, and with the ledger (T6)."""
