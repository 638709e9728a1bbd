"""From a destination's URL to its storage.

A URL needs its scheme. Hadoop reads a path without one by its configuration, and where a container
has none, the files land on the container's own disk, "successfully".

Like Hadoop and Spark, this reads the path as it stands: a %20 is three characters, not a space.
"""

from loader.errors import ConfigError
from loader.storage.protocol import Storage

SCHEMES = ("file:///", "hdfs://")


def open_storage(url: str) -> Storage:
    """The storage of `file:///folder`, `hdfs://namenode:8020/folder` or `hdfs://nameservice/folder`.

    Touches no file system. Raises ConfigError.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        path = url.removeprefix("file:").removeprefix("hdfs:")
        path = path.strip("/") if path.startswith("/") else f"full/path/of/{path}"
        raise ConfigError(
            [
                f"{url!r} does not say where it is. Write file:///{path} for a folder on this host or a"
                f" mount, or hdfs://namenode:8020/{path} for HDFS."
            ]
        )
    if scheme not in ("file", "hdfs"):
        raise ConfigError([f"{url!r}: {scheme} is no file system this loader writes to; only {_known()} are"])
    host, slash, path = rest.partition("/")
    path = path.rstrip("/")
    if scheme == "file" and host:
        raise ConfigError([f"{url!r} names the host {host!r}; a path on this host is file:///{host}/{path}"])
    if scheme == "hdfs" and not host:
        raise ConfigError(
            [
                f"{url!r} names no NameNode, and another host's default may be another one. Write"
                f" hdfs://namenode:8020/{path}, or the nameservice of hdfs-site.xml: hdfs://nameservice/{path}"
            ]
        )
    if "@" in host:
        raise ConfigError([f"{url!r} names a user; set HADOOP_USER_NAME, or log in by Kerberos, instead"])
    if not slash or not path:
        raise ConfigError([f"{url!r} is the root of a file system; choose a folder in it"])
    if any(part in ("", ".", "..") for part in path.split("/")):
        raise ConfigError([f"{url!r}: a part of the path is empty, . or ..; write it out in full"])
    if scheme == "file":
        from loader.storage.local import LocalStorage

        return LocalStorage(f"/{path}")
    from loader.storage.hdfs import HdfsStorage  # brings hdfs-native, which a local job does not need

    return HdfsStorage(f"hdfs://{host}/{path}")


def _known() -> str:
    return " and ".join(SCHEMES)
