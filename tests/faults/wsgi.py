"""The product's WSGI application, in a process that may have been told where to die, or what time it is."""

from gosend.wsgi import application
from tests.faults import kill_points, skew

skew.shift_from_environment()
kill_points.arm_from_environment()

__all__ = ["application"]
