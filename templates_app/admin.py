"""The console's page for templates."""

from django.contrib import admin

from gosend.lib.console import LogAdmin
from templates_app.models import Template


@admin.register(Template)
class TemplateAdmin(LogAdmin):
    list_display = ["name", "language", "category", "status", "tenant"]
    list_select_related = ["tenant"]
    list_filter = ["status", "category"]
    search_fields = ["name"]
