"""How the OpenAPI document describes our machine tokens."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension


class MachineTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # untyped upstream
    target_class = "accounts.tokens.MachineTokenAuthentication"
    name = "machine_token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "assay_…"}
