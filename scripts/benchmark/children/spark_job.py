"""A job as one writes it around Spark's Kafka source: for the time of the whole command.

spark-submit --jars <Spark's Kafka source> spark_job.py '<turn as JSON>'
"""

import json
import sys

from pyspark.sql import SparkSession

from benchmark.children.serving import Turn
from benchmark.children.spark import load_by_spark

if __name__ == "__main__":
    load_by_spark(SparkSession.builder.appName("benchmark").getOrCreate(), Turn(**json.loads(sys.argv[1])))
