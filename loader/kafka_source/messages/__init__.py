"""Messages of Kafka's protocol that kafka-python lacks, by schemas as it reads its own.

ConsumerGroupDescribe (KIP-848, Kafka 4.0): the members of a group of the protocol `consumer`, which brokers
do not tell by DescribeGroups.
"""

from kafka.protocol.api_message import ApiMessage


class ConsumerGroupDescribeRequest(ApiMessage, load_json=__name__):  # type: ignore[call-arg,misc]  # no types
    """Asks a coordinator for some of its groups."""


class ConsumerGroupDescribeResponse(ApiMessage, load_json=__name__):  # type: ignore[call-arg,misc]  # no types
    """The groups, each with its members and what is assigned to them."""


__all__ = ["ConsumerGroupDescribeRequest", "ConsumerGroupDescribeResponse"]
