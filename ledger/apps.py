from django.apps import AppConfig
from django.db.backends.signals import connection_created
from django.db.models.signals import post_migrate, pre_migrate


class LedgerConfig(AppConfig):
    name = "ledger"

    def ready(self) -> None:
        from core import health
        from core.preparation import register
        from ledger import alarms, custody, erasures, nightly, protection, regulated, rotation, sequencer, transactions
        from ledger.models import PersonKey, SealedSection

        connection_created.connect(transactions.name_transactions)
        changed = (regulated.UPDATE, regulated.DELETE)
        regulated.register(PersonKey, operations=changed, but=("wrapped", "version"))  # these change by re-wrapping
        regulated.register(SealedSection, operations=changed)
        pre_migrate.connect(protection.unwatch_before_migrate, sender=self)
        post_migrate.connect(protection.protect_after_migrate, sender=self)
        register(custody.prepare)
        register(erasures.replay)
        health.register(sequencer.check)
        health.register(erasures.check, costly=True)
        health.register(alarms.check)
        health.register(rotation.check)
        health.register(nightly.check)
        health.register(protection.check, costly=True)
