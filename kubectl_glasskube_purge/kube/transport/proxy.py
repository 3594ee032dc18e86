"""Which proxy a connection goes through, by the rules of Go's standard library.

httpx has different rules for `HTTPS_PROXY` and its kin: it knows no address
ranges in `NO_PROXY`, sends requests for localhost through the proxy, and obeys
`ALL_PROXY`. A cluster's addresses are just what `NO_PROXY=10.0.0.0/8` is for.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit


def from_environment(server: str, environ: Mapping[str, str]) -> str:
    """The URL of the proxy that the environment names for this server; `""` for none."""
    target = urlsplit(server)
    proxy = _variable(environ, f"{target.scheme}_proxy")
    host = (target.hostname or "").rstrip(".")
    port = target.port or {"http": 80, "https": 443}[target.scheme]
    exceptions = (entry.strip().lower() for entry in _variable(environ, "no_proxy").split(","))
    if not proxy or is_local(host) or any(_matches(entry, host.lower(), port) for entry in exceptions if entry):
        return ""
    return proxy if "://" in proxy else f"http://{proxy}"


def _variable(environ: Mapping[str, str], name: str) -> str:
    return environ.get(name.upper()) or environ.get(name) or ""


def is_local(host: str) -> bool:
    """Whether a host is this machine itself."""
    address = _ip(host)
    return address.is_loopback if address else host == "localhost"


def _matches(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    address = _ip(host)
    try:
        network = ipaddress.ip_network(entry, strict=False)
    except ValueError:
        pass
    else:
        return address is not None and address.version == network.version and address in network
    name, _, its_port = entry.rpartition(":") if entry.rpartition(":")[2].isdecimal() else (entry, "", "")
    if its_port and int(its_port) != port:
        return False
    if excepted := _ip(name.strip("[]")):
        return excepted == address
    name = name.removeprefix("*")
    return host.endswith(name) if name.startswith(".") else host == name or host.endswith(f".{name}")


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
