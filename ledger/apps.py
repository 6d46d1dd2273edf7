from django.apps import AppConfig
from django.db.backends.signals import connection_created
from django.db.models.signals import post_migrate, pre_migrate


class LedgerConfig(AppConfig):
    name = "ledger"

    def ready(self) -> None:
        from core import health
        from core.preparation import register
        from ledger import alarms, custody, erasures, nightly, protection, regulated, rotation, transactions
        from ledger.models import PersonKey, SealedSection

        connection_created.connect(transactions.name_transactions)
        for erased in (PersonKey, SealedSection):
            regulated.register(erased, operations=(regulated.DELETE,))
        pre_migrate.connect(protection.unwatch_before_migrate, sender=self)
        post_migrate.connect(protection.protect_after_migrate, sender=self)
        register(custody.prepare)
        register(erasures.replay)
        health.register(erasures.check)
        health.register(alarms.check)
        health.register(rotation.check)
        health.register(nightly.check)
        health.register(protection.check)
