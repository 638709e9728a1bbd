"""The file systems that a job writes to. The only home of hdfs-native."""
