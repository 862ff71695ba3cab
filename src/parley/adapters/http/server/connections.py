"""The open connections of one process, limited in total and for each client address."""

from collections.abc import Sequence
from ipaddress import IPv4Address, ip_address, ip_network
from typing import Protocol

from parley.adapters.http.server.client_address import client_of


class Connection(Protocol):
    def give_way(self) -> None:
        """Close at once, to make room for another connection."""


class Connections:
    """Admits connections up to `total` and, for each client address, `per_address`; 0 is no limit.

    A connection that waits for a request, or for the rest of one, gives way to a new one when a limit is reached, the
    one that has waited longest first. So half-open connections cannot shut out clients that send requests. Loopback
    addresses and the `shared` addresses or networks, which are proxies, have no limit of their own: they stand for
    many clients.
    """

    def __init__(self, *, total: int, per_address: int, shared: Sequence[str] = ()) -> None:
        self._total = total
        self._per_address = per_address
        self._shared = [ip_network(network, strict=False) for network in shared]
        self._open: dict[Connection, str | None] = {}
        self._waiting: dict[Connection, None] = {}
        self._open_by_client: dict[str, int] = {}
        self._waiting_by_client: dict[str, dict[Connection, None]] = {}

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: Connection, address: str | None) -> bool:
        """Whether the connection is admitted; it waits then. An address of None is a Unix socket."""
        client = self._client(address)
        if not self._has_room(client):
            return False
        self._open[connection] = client
        if client is not None:
            self._open_by_client[client] = self._open_by_client.get(client, 0) + 1
        self.waits(connection)
        return True

    def remove(self, connection: Connection) -> None:
        """A no-op for a connection that was removed or never admitted."""
        if connection not in self._open:
            return
        self.works(connection)
        client = self._open.pop(connection)
        if client is not None:
            self._open_by_client[client] -= 1
            if self._open_by_client[client] == 0:
                del self._open_by_client[client]

    def replace(self, connection: Connection, successor: Connection) -> None:
        """The connection has another protocol from now on, the successor, which waits."""
        client = self._open.get(connection)
        self.works(connection)
        del self._open[connection]
        self._open[successor] = client
        self.waits(successor)

    def waits(self, connection: Connection) -> None:
        """The connection has no complete request: it may be closed to make room."""
        if connection not in self._open:
            return
        client = self._open[connection]
        self._waiting[connection] = None
        if client is not None:
            self._waiting_by_client.setdefault(client, {})[connection] = None

    def works(self, connection: Connection) -> None:
        """The connection has a request to answer."""
        self._waiting.pop(connection, None)
        client = self._open.get(connection)
        waiting = self._waiting_by_client.get(client) if client is not None else None
        if client is not None and waiting is not None:
            waiting.pop(connection, None)
            if not waiting:
                del self._waiting_by_client[client]

    def _has_room(self, client: str | None) -> bool:
        """Closes the connection that has waited longest if a limit is reached."""
        full_for_client = client is not None and 0 < self._per_address <= self._open_by_client.get(client, 0)
        if full_for_client and not self._close_first(self._waiting_by_client.get(client or "", {})):
            return False
        full = 0 < self._total <= len(self._open)
        return not full or self._close_first(self._waiting)

    def _close_first(self, waiting: dict[Connection, None]) -> bool:
        connection = next(iter(waiting), None)
        if connection is None:
            return False
        self.remove(connection)
        connection.give_way()
        return True

    def _client(self, address: str | None) -> str | None:
        if address is None:
            return None
        try:
            ip = ip_address(address)
        except ValueError:
            return address
        if not isinstance(ip, IPv4Address):
            ip = ip.ipv4_mapped or ip
        if ip.is_loopback or any(ip in network for network in self._shared):
            return None
        return client_of(address)
