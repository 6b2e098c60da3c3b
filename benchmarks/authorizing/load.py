"""How a probe is loaded: by how many clients at once, on which accounts, with how many requests."""

from dataclasses import dataclass

CLIENTS = (1, 4, 16)
# Sent by every client before its requests count: by then statements and functions are planned for good.
WARM_UP = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """`clients` at once, drawing from all accounts or, when `hot`, all asking for the same one."""

    clients: int
    hot: bool
    requests: int

    @property
    def share(self) -> int:
        """The requests of one client that count."""
        return max(self.requests // self.clients, 1)

    @property
    def warm_up(self) -> int:
        """The requests of one client that do not count."""
        return min(WARM_UP, self.share)

    @property
    def each(self) -> int:
        """All requests of one client."""
        return self.warm_up + self.share

    @property
    def total(self) -> int:
        """All requests of all clients."""
        return self.clients * self.each
