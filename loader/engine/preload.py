"""What the fork server does once, so that no worker has to: import the task, compile and warm its kernels."""

import gc

import loader.task  # noqa: F401
from loader.records.compilation import ensure_compiled
from loader.records.extent import measure

ensure_compiled()
measure(b"")  # the first call of a kernel makes Numba import numpy.ma
# What is imported lives as long as the process: looking for garbage in it would also copy its pages.
gc.freeze()
