"""Real Kafka, HDFS and schema registry on this machine, without containers: for tests, demo and services.

Each server is a JVM of its own, listens on 127.0.0.1 only, and is started from jars in a cache folder outside
the checkout. Its folder holds everything about it: configuration, data, log, and which process it is, so
another Python process that builds the same object over the same folder finds the server running.

    from local_services.kafka import KafkaCluster

    with KafkaCluster(folder, nodes=3) as kafka:
        kafka.nodes[0].kill()
        ...
        kafka.nodes[0].start()
"""
