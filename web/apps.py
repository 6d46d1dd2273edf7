from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in


class WebConfig(AppConfig):
    name = "web"

    def ready(self) -> None:
        from web.privacy import close_doors

        user_logged_in.connect(close_doors, dispatch_uid="web.close_doors")
