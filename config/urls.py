"""Every address of the house. Each room brings its own; tests check that each is closed unless opened on purpose."""

from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from core.http import bad_request, not_found, permission_denied, server_error

api: list[URLPattern | URLResolver] = [
    path("", include("ledger.api_urls")),
    path("", include("provenance.urls")),
    path("", include("detection.urls")),
    path("", include("policy.urls")),
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("api/v1/", include(api)),
    path("api/docs/", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="api_docs"),
    path("account/", include("allauth.urls")),
    path("log/", include("ledger.urls")),
    path("", include("web.urls")),
]

handler400 = bad_request
handler403 = permission_denied
handler404 = not_found
handler500 = server_error

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]
