"""Endpoints: what a user may write for a server, and the HTTP client that comes of it."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from engine.errors import ConfigError
from engine.generation.loopback import LOOPBACK_SUFFIX, LoopbackTransport
from engine.paths import expanded

UNIX = "unix:"
CONNECT_SECONDS = 10.0
SILENCE_SECONDS = 300.0  # a busy server may read a long prompt before its first word
_NEAR = (".localhost", ".local", ".lan", ".internal", ".home.arpa")  # ends of names that the Internet does not know


def _worth_telling(record: logging.LogRecord) -> bool:
    """All but this: bytes that arrive in the very turn of the loop in which their reader is cancelled.

    anyio wakes the cancelled reader all the same, and asyncio logs that with a traceback.  A fast host brings it about
    many times a minute, where candidates are dropped; nothing is lost by it.
    """
    error = record.exc_info[1] if record.exc_info else None
    return not (isinstance(error, asyncio.InvalidStateError) and "Future.set_result" in record.getMessage())


def connect(endpoint: str, key_variable: str, *, silence: float = SILENCE_SECONDS) -> tuple[httpx.AsyncClient, str]:
    """A client whose base URL `chat/completions` is relative to, and how the server is called towards the user.

    Servers on this machine and in its own network are asked directly.  To others a proxy may lead that the environment
    or the system names; then the server's name says so.

    Args:
        endpoint: a base URL such as `http://gpu-box:8000/v1`, or `unix:/path` for a server on a Unix socket.
        key_variable: name of the environment variable that holds the key; empty: there is none.
        silence: seconds without a byte after which the server counts as gone.

    Raises:
        ConfigError: the endpoint or its proxy cannot be used, or the variable is not set or holds no key.
    """
    timeout = httpx.Timeout(silence, connect=CONNECT_SECONDS, pool=None)
    if endpoint.startswith(UNIX):
        return unix_client(_socket(endpoint), timeout=timeout), endpoint
    url = _url(endpoint)
    headers = {"Authorization": f"Bearer {_key(key_variable)}"} if key_variable else {}
    where, proxy = _without_user(url), _proxy(url)
    try:  # a transport of its own: httpx would else choose a proxy itself, for every host alike
        transport = httpx.AsyncHTTPTransport(proxy=proxy or None)
    except (ImportError, ValueError, httpx.InvalidURL) as error:
        raise ConfigError(
            f"The proxy for the endpoint {where} cannot be used: {type(error).__name__}.",
            remedy=f"Name an http:// or https:// proxy, or exempt the endpoint: NO_PROXY={url.hostname}.",
        ) from error
    client = httpx.AsyncClient(
        transport=transport, base_url=endpoint.rstrip("/") + "/", headers=headers, timeout=timeout
    )
    return client, f"{where} (by the proxy {_without_user(urlsplit(proxy))})" if proxy else where


def unix_client(path: Path, *, timeout: httpx.Timeout) -> httpx.AsyncClient:
    """A client of the server on a Unix socket."""
    logging.getLogger("asyncio").addFilter(_worth_telling)  # it is there once, however often it is added
    transport = httpx.AsyncHTTPTransport(uds=str(path))
    return httpx.AsyncClient(transport=transport, base_url="http://localhost/v1/", timeout=timeout, trust_env=False)


def host_client(path: Path, *, timeout: httpx.Timeout) -> httpx.AsyncClient:
    """A client of this machine's own host, which listens at `path` (see `launch.socket_path`)."""
    if path.suffix != LOOPBACK_SUFFIX:
        return unix_client(path, timeout=timeout)
    transport = LoopbackTransport(path)
    return httpx.AsyncClient(transport=transport, base_url="http://localhost/v1/", timeout=timeout, trust_env=False)


def _url(endpoint: str) -> SplitResult:
    """The parts of a base URL that httpx takes as well."""
    try:
        url = urlsplit(endpoint)
        httpx.URL(endpoint)
        usable = url.scheme in ("http", "https") and url.hostname and url.port != 0  # a port that is none raises
    except (ValueError, httpx.InvalidURL):
        usable = False
    if not usable:
        raise ConfigError(
            f"The endpoint {endpoint!r} is not a URL.",
            remedy="Set it to the server's base URL, such as http://gpu-box:8000/v1, or to unix:/path of a socket.",
        )
    return url


def _socket(endpoint: str) -> Path:
    path = expanded(endpoint.removeprefix(UNIX), "The endpoint's socket")
    if not path.is_absolute():
        raise ConfigError(f"The endpoint {endpoint!r} has no absolute path.", remedy="Write it as unix:/path.")
    if not hasattr(socket, "AF_UNIX"):
        raise ConfigError(f"The endpoint {endpoint!r} needs Unix sockets, which this system lacks.")
    return path


def _proxy(url: SplitResult) -> str:
    """URL of the proxy that leads to a server; empty: none does."""
    host = url.hostname or ""
    if _is_near(host) or proxy_bypass(_without_user(url)):
        return ""
    named = getproxies()
    proxy = named.get(url.scheme) or named.get("all") or ""
    return proxy if "://" in proxy or not proxy else f"http://{proxy}"


def _is_near(host: str) -> bool:
    """Whether a host is this machine or one of a private network, as far as its name or address says."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        name = host.rstrip(".").lower()
        return "." not in name or name.endswith(_NEAR)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return not (mapped or address).is_global


def _without_user(url: SplitResult) -> str:
    """Host and port, as they are shown."""
    return url.netloc.rpartition("@")[2]


def _key(variable: str) -> str:
    key = os.environ.get(variable, "").strip()  # a file's last line break is no part of it
    if not (key.isascii() and key.isprintable()):
        raise ConfigError(
            f"The environment variable {variable}, which should hold the endpoint's key, holds other characters than"
            " printable ASCII.",
            remedy=f"Set {variable} to the key alone.",
        )
    if not key:
        raise ConfigError(
            f"The environment variable {variable}, which should hold the endpoint's key, is not set.",
            remedy=f"Set {variable}, or change the setting endpoint_key_env.",
        )
    return key
