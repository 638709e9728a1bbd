"""What the fork server does once, so that no worker has to: import the task, compile and warm its kernels."""

import gc

# What is imported lives as long as the process: looking for garbage in it takes a quarter of the time.
gc.disable()

import loader.task  # noqa: E402, F401
from loader.records.compilation import ensure_compiled  # noqa: E402
from loader.records.extent import measure  # noqa: E402

ensure_compiled()
measure(b"")  # the first call of a kernel makes Numba import numpy.ma
gc.freeze()  # a worker that looks for garbage among these would copy their pages
gc.enable()
