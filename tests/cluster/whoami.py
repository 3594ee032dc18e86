"""Says whom the API server sees when the connection is made with kubectl's flags.

`python -m tests.cluster.whoami [kubectl's global flags]` prints one JSON object:
`{"user": …}`, the server's userInfo, or `{"error": …}`. It stands beside
`kubectl auth whoami`, and knows nothing but the flags and `kube.connect`.
"""

from __future__ import annotations

import argparse
import asyncio
import errno
import json
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kubectl_glasskube_purge.kube.config.client_config import parse_timeout
from kubectl_glasskube_purge.kube.connect import Connection, Flags, connect
from kubectl_glasskube_purge.kube.errors import KubeError, Unreachable

if TYPE_CHECKING:
    import httpx

FLAGS = {
    "--kubeconfig": "kubeconfig",
    "--context": "context",
    "--cluster": "cluster",
    "--user": "user",
    "--server": "server",
    "--token": "token",
    "--as": "as_user",
    "--as-group": "as_groups",
    "--as-uid": "as_uid",
    "--certificate-authority": "certificate_authority",
    "--client-certificate": "client_certificate",
    "--client-key": "client_key",
    "--insecure-skip-tls-verify": "insecure_skip_tls_verify",
    "--tls-server-name": "tls_server_name",
    "--request-timeout": "request_timeout",
    "--username": "username",
    "--password": "password",
    "--disable-compression": "disable_compression",
}
"""kubectl's flags that a connection is made of, and the fields of `Flags` they become."""

PATH = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
REVIEW = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}


def flags(arguments: Sequence[str]) -> Flags:
    """The `Flags` for kubectl's command line. Raises `ConfigError`."""
    parser = argparse.ArgumentParser()
    for flag, name in FLAGS.items():
        names = [flag, "-s"] if flag == "--server" else [flag]
        if isinstance(getattr(Flags(), name), bool):
            parser.add_argument(*names, dest=name, action="store_true")
        elif name == "as_groups":
            parser.add_argument(*names, dest=name, action="append", default=[])
        else:
            parser.add_argument(*names, dest=name)
    given: dict[str, Any] = vars(parser.parse_args(arguments))
    given["as_groups"] = tuple(given["as_groups"])
    if given["request_timeout"] is not None:
        given["request_timeout"] = parse_timeout(given["request_timeout"])
    return Flags(**given)


async def whoami(arguments: Sequence[str]) -> dict[str, Any]:
    """`{"user": userInfo}`, or `{"error": message, "hint": …}`."""
    try:
        async with connect(flags(arguments)) as connection:
            response = await _review(connection)
            try:
                document = response.json()
            except ValueError:
                return {"error": response.text.strip(), "status": response.status_code}
    except KubeError as error:
        return {"error": error.message, "hint": error.hint}
    if response.is_success:
        return {"user": document["status"]["userInfo"]}
    return {"error": document["message"], "status": response.status_code}


async def _review(connection: Connection) -> httpx.Response:
    """Asks again where the connection was reset, as the client above a connection does.

    A TLS server that is spoken to in plain HTTP answers and closes without having read all: where the request's
    body arrives after that, its own reset overtakes the answer.
    """
    for _ in range(20):
        try:
            return await connection.request("POST", PATH, body=REVIEW)
        except Unreachable as error:
            if not error.message.endswith(os.strerror(errno.ECONNRESET).lower()):
                raise
    return await connection.request("POST", PATH, body=REVIEW)


if __name__ == "__main__":
    print(json.dumps(asyncio.run(whoami(sys.argv[1:]))))
