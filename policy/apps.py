from django.apps import AppConfig


class PolicyConfig(AppConfig):
    name = "policy"

    def ready(self) -> None:
        from core.storage import register_references
        from policy import checks, exports, pipeline, statements  # noqa: F401 - they register what they do

        register_references(exports.stored_keys)
