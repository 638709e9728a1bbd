"""The schema registry: a client of Confluent's API, and the only home of httpx.

settings   what a client needs to know, small enough for every task
transport  one question: logins, TLS, replicas, asking again
client     subjects, versions, ids and references
source     what a task asks: the schema of an id, once
protoc     Protobuf schemas to descriptors, by Google's compiler
"""
