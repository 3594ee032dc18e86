"""Proxies from the environment, by Go's rules."""

from __future__ import annotations

import pytest

from kubectl_glasskube_purge.kube.transport.proxy import from_environment

PROXY = "http://proxy:3128"


@pytest.mark.parametrize(
    ("server", "environ", "proxy"),
    [
        ("https://h", {"HTTPS_PROXY": PROXY}, PROXY),
        ("https://h", {"https_proxy": PROXY}, PROXY),
        ("https://h", {"HTTPS_PROXY": PROXY, "https_proxy": "http://other"}, PROXY),
        ("https://h", {"HTTPS_PROXY": "proxy:3128"}, PROXY),
        ("https://h", {"HTTP_PROXY": PROXY}, ""),
        ("http://h", {"HTTP_PROXY": PROXY}, PROXY),
        ("https://h", {"ALL_PROXY": PROXY}, ""),
        ("https://localhost:6443", {"HTTPS_PROXY": PROXY}, ""),
        ("https://127.0.0.2:6443", {"HTTPS_PROXY": PROXY}, ""),
        ("https://[::1]:6443", {"HTTPS_PROXY": PROXY}, ""),
    ],
)
def test_the_environment_names_the_proxy(server: str, environ: dict[str, str], proxy: str) -> None:
    assert from_environment(server, environ) == proxy


@pytest.mark.parametrize(
    ("server", "no_proxy", "direct"),
    [
        ("https://10.1.2.3:6443", "10.0.0.0/8", True),
        ("https://11.1.2.3:6443", "10.0.0.0/8", False),
        ("https://[fd00::1]", "fd00::/8", True),
        ("https://10.1.2.3:6443", "192.168.0.1, 10.1.2.3", True),
        ("https://10.1.2.3:6443", "10.1.2.3:6443", True),
        ("https://10.1.2.3:6443", "10.1.2.3:443", False),
        ("https://api.example.com", "example.com", True),
        ("https://API.example.com", "Example.COM", True),
        ("https://example.com", "example.com", True),
        ("https://notexample.com", "example.com", False),
        ("https://api.example.com", ".example.com", True),
        ("https://example.com", ".example.com", False),
        ("https://api.example.com", "*.example.com", True),
        ("https://api.example.com", "example.com:443", True),
        ("https://api.example.com:6443", "example.com:443", False),
        ("https://anything", "*", True),
        ("https://anything", " , ", False),
    ],
)
def test_no_proxy_excepts_names_addresses_and_ranges(server: str, no_proxy: str, direct: bool) -> None:
    assert from_environment(server, {"HTTPS_PROXY": PROXY, "NO_PROXY": no_proxy}) == ("" if direct else PROXY)
