"""Whether this process was asked to end: what runs long looks here before it takes on more."""

import threading

# Set by the worker's own shutdown (see gosend/celery.py); whoever waits may wait on it.
asked = threading.Event()
