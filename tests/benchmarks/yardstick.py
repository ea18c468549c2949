"""The bare view that the doors are measured against: Django, one durable insert, nothing else."""

import os

import django
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gosend.settings")


def insert(request: HttpRequest) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO bench_bare (body) VALUES (%s) RETURNING id", [request.body.decode()])
        (row_id,) = cursor.fetchone()
    body = b'{"id": %d}' % row_id
    return HttpResponse(
        body, content_type="application/json", status=201, headers={"Content-Length": str(len(body))}
    )


urlpatterns = [path("bare", insert)]


def _application() -> WSGIHandler:
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = []
    django.setup(set_prefix=False)
    return WSGIHandler()


application = _application()
