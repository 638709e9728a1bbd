"""Spark's Python workers are of this environment, also where it is not activated."""

import os
import sys

os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
