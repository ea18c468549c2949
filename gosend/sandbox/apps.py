"""Makes the sandbox an app, for the rows it remembers by."""

from django.apps import AppConfig


class SandboxConfig(AppConfig):
    name = "gosend.sandbox"
    label = "sandbox"
    verbose_name = "Sandbox"
