from django.apps import AppConfig
from django.db.models.signals import post_migrate


class LedgerConfig(AppConfig):
    name = "ledger"

    def ready(self) -> None:
        from core.preparation import register
        from ledger import custody, protection

        post_migrate.connect(protection.protect_after_migrate, sender=self)
        register(custody.log_signer)
        register(custody.master_key)
