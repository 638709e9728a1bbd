"""Load the topics of one job config into Parquet, once, as Spark tasks, then exit.

    spark-submit jobs/load.py conf/quickstart.toml

Exit status: 0 loaded or nothing new, 2 fix the config, 3 run again later, 4 a person decides,
5 another run committed first.
"""

import sys

from loader.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["run", "--engine", "spark", *sys.argv[1:]]))
