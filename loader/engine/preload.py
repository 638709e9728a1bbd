"""What the fork server imports once, so that no worker has to: the task, its kernels compiled."""

import loader.task  # noqa: F401
from loader.records.compilation import ensure_compiled

ensure_compiled()
