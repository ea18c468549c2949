"""The console's page for templates."""

from django.contrib import admin

from templates_app.console.template_page import TemplateAdmin
from templates_app.models import Template

admin.site.register(Template, TemplateAdmin)
