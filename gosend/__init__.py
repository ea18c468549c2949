"""The project: its doors and its cellar."""

from gosend.celery import app as celery_app

__all__ = ["celery_app"]
