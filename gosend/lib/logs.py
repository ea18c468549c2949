"""JSON lines; secrets and numbers never printed."""

import logging


class JsonFormatter(logging.Formatter):
    pass
