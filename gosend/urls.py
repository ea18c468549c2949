"""The front door: which prefix leads to which room."""

from django.contrib import admin
from django.templatetags.static import static
from django.urls import URLPattern, URLResolver, include, path, re_path
from django.views.decorators.csrf import csrf_exempt
from django.views.generic import RedirectView

from accounts.second_factor_page import second_factor_page
from accounts.sign_in_page import password_change
from gosend.api import errors, health, home, meta_webhook, metrics, schema
from gosend.api.sessions import envelope as sessions_envelope
from gosend.api.whatomate import envelope as whatomate_envelope

urlpatterns: list[URLPattern | URLResolver] = [
    path("", home.home, name="home"),
    path("docs", home.docs, name="docs"),
    path("docs/", RedirectView.as_view(pattern_name="docs")),
    path("docs/errors", home.list_of_errors, name="docs-errors"),
    path("favicon.ico", RedirectView.as_view(url=static("gosend/icon.svg"))),
    path("openapi/v1.json", schema.serve, {"dialect": "v1"}, name="openapi-v1"),
    path("openapi/sessions.json", schema.serve, {"dialect": "sessions"}, name="openapi-sessions"),
    path("openapi/whatomate.json", schema.serve, {"dialect": "whatomate"}, name="openapi-whatomate"),
    path("healthz", health.alive, name="healthz"),
    path("readyz", health.ready, name="readyz"),
    path("metrics", metrics.serve, name="metrics"),
    path("meta/webhook", csrf_exempt(meta_webhook.MetaWebhook.as_view()), name="meta-webhook"),
    path("console/second-factor/", second_factor_page, name="second-factor"),
    path("console/password_change/", password_change),
    path("console/", admin.site.urls),
    path("v1/", include("gosend.api.v1.urls")),
    path("api/v1/", include("gosend.api.sessions.urls")),
    re_path("^api/v1(?:/.*)?$", home.unknown_api_path, name="unknown-sessions"),
    path("api/", include("gosend.api.whatomate.urls")),
    re_path("^api(?:/.*)?$", home.unknown_api_path, name="unknown-api"),
    re_path("^v1(?:/.*)?$", home.unknown_api_path, name="unknown-v1"),
]
errors.speak("/api/v1/", sessions_envelope.problem)
errors.speak("/api/", whatomate_envelope.problem)
handler400 = home.bad_request
handler404 = home.page_not_found
handler500 = home.server_error
