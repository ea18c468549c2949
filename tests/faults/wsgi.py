"""The product's WSGI application, in a process that may have been told where to die."""

from gosend.wsgi import application
from tests.faults import kill_points

kill_points.arm_from_environment()

__all__ = ["application"]
