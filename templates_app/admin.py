"""The console's page for templates."""

from django.contrib import admin

from accounts.console import TenantLogAdmin
from templates_app.models import Template


@admin.register(Template)
class TemplateAdmin(TenantLogAdmin):
    list_display = ["name", "language", "category", "status", "tenant"]
    list_select_related = ["tenant"]
    list_filter = ["status", "category"]
    search_fields = ["name"]
