from django.apps import AppConfig


class LedgerConfig(AppConfig):
    name = "ledger"

    def ready(self) -> None:
        from core.preparation import register
        from ledger import custody

        register(custody.log_signer)
        register(custody.master_key)
