"""The front door: which prefix leads to which room."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, path

urlpatterns: list[URLPattern | URLResolver] = [path("console/", admin.site.urls)]
