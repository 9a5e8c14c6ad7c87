"""`goama --offline`, or GOAMA_OFFLINE=1: no connection leaves this machine, whichever library asks for one."""

from __future__ import annotations

import os
import sys
from typing import Any

VARIABLE = "GOAMA_OFFLINE"
"""Environment variable that `--offline` sets, so that processes which goama starts are offline too."""

_OF_LIBRARIES = {
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "WANDB_MODE": "offline",
}
"""They read these when they are imported: then they look into their caches at once, instead of trying first."""

_NAMES_HOSTS = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr")
_SENDS = ("socket.connect", "socket.sendto", "socket.sendmsg")

_installed = False


class OfflineError(ConnectionError):
    """A connection that `--offline` refused."""


def is_offline() -> bool:
    """Whether connections are refused."""
    return os.environ.get(VARIABLE, "0") not in ("", "0")


def go_offline() -> None:
    """Refuse every connection of this process, and of those that it starts, to another machine.

    Connections inside the machine (Unix sockets, 127.0.0.1) stay, since processes that train together need them. Code
    that is not Python can still connect; of the libraries that goama uses, those ask Python first.
    """
    global _installed
    os.environ[VARIABLE] = "1"
    os.environ.update(_OF_LIBRARIES)
    if not _installed:
        sys.addaudithook(_refuse)  # it cannot be taken away again, and sees every library's sockets
        _installed = True


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    if not event.startswith("socket."):
        return
    if event in _SENDS:
        socket, address = arguments[0], arguments[1]
        if isinstance(address, tuple) and _is_internet(socket) and not _is_here(address[0]):
            raise OfflineError(f"--offline: a connection to {address[0]} was refused")
    elif event in _NAMES_HOSTS and arguments[0] and not _is_here(arguments[0]):
        raise OfflineError(f"--offline: {_text(arguments[0])} was not looked up")


def _is_internet(socket: Any) -> bool:
    from socket import AF_INET, AF_INET6

    return socket.family in (AF_INET, AF_INET6)


def _is_here(host: Any) -> bool:
    from ipaddress import ip_address

    name = _text(host).partition("%")[0]
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def _text(host: Any) -> str:
    return host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
