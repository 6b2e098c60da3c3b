"""Redis as the broker, which survives that Redis is killed while messages are at work.

When a connection is lost, kombu 5.7.0 goes on to give back and to acknowledge what came through it, on a
channel that has no address any more, and Celery's worker ends of the AttributeError. Here that is a lost
connection. What was at work is sent again by beat.
"""

from typing import Any

from kombu.transport import redis


class Channel(redis.Channel):  # type: ignore[misc]  # kombu has no types
    """kombu's, which knows that it is closed."""

    @property
    def do_restore(self) -> bool:
        """Whether there is somewhere to give back to what is not acknowledged."""
        return self.connection is not None and self.connection.client is not None

    def _connparams(self, *args: Any, **kwargs: Any) -> Any:
        if not self.do_restore:
            raise ConnectionError("The connection of this channel was closed.")
        return super()._connparams(*args, **kwargs)


class Transport(redis.Transport):  # type: ignore[misc]
    """kombu's, with that channel."""

    Channel = Channel
