from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        from accounts import reconciliation, schema  # noqa: F401 - schema registers how the API document shows tokens
        from accounts.models import LoginLink, MachineToken, Membership
        from ledger import regulated
        from ledger.reconciliation import register

        for model in (Membership, MachineToken, LoginLink):
            regulated.register(model)
        register("roles", reconciliation.roles)
        register("tokens", reconciliation.tokens)
