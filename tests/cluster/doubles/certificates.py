"""The certificate job of Glasskube: a certificate for the webhook's Service, and its CA in the configuration.

Runs once and ends. Both are applied server-side under the job's own field manager, so the
Secret and the `caBundle` belong to each other: a restore has to bring back both or neither.
"""

from __future__ import annotations

import argparse
import base64
from pathlib import Path

from tests.cluster.api import ApiError, Object
from tests.cluster.doubles.runtime import AsyncApi, log, run
from tests.cluster.pki import Authority

NAMESPACE = "glasskube-system"
SERVICE = "glasskube-webhook-service"
SECRET = "glasskube-webhook-tls"
CONFIGURATION = "glasskube-validating-webhook-configuration"
WEBHOOKS = ("vpackage.kb.io", "vclusterpackage.kb.io", "vpackagerepository.kb.io")
"""In the order in which the releases got them."""


async def main() -> None:
    """Makes a new CA and certificate and applies them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--volumes", type=Path)
    api = AsyncApi(parser.parse_args().kubeconfig, manager="package-operator-cert-manager")
    authority = Authority.create("glasskube-webhook")
    pair = authority.server([f"{SERVICE}.{NAMESPACE}.svc"])
    secret: Object = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": SECRET, "namespace": NAMESPACE},
        "data": {
            "tls.crt": base64.b64encode(pair.certificate).decode(),
            "tls.key": base64.b64encode(pair.key).decode(),
        },
    }
    await api.apply(secret)
    log.info("Secret applied")
    bundle = base64.b64encode(authority.certificate).decode()
    await _inject(api, bundle)
    log.info("ValidatingWebhookConfiguration applied")


async def _inject(api: AsyncApi, bundle: str) -> None:
    """Applies the CA to the webhooks that this release has; the job may patch the configuration, but not read it."""
    for count in range(len(WEBHOOKS), 0, -1):
        webhooks = [{"name": name, "clientConfig": {"caBundle": bundle}} for name in WEBHOOKS[:count]]
        configuration: Object = {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": CONFIGURATION},
            "webhooks": webhooks,
        }
        try:
            await api.apply(configuration)
        except ApiError as error:
            # A webhook that the configuration doesn't have would be a new one, and incomplete.
            if error.code != 422 or count == 1:
                raise SystemExit(f"could not apply ValidatingWebhookConfiguration {CONFIGURATION}: {error}") from error
        else:
            return


if __name__ == "__main__":
    run(main)
