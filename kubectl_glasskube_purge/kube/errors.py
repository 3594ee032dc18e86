"""What can go wrong on the way to the API server, as types of the project's own.

Nothing above `kube/` sees an exception of httpx, ssl or kr8s: the HTTP library
can be exchanged, and a caller that catches an error catches a meaning, not a status
code.
"""

from __future__ import annotations

from .problem import ProblemError


class KubeError(ProblemError):
    """The root: something between here and the API server failed."""

    code = "kube-error"
    retry_after = 0.0
    """Seconds that the server asked to wait, from its Retry-After header."""

    def __init__(self, message: str, *, hint: str | None = None, status: int | None = None, webhook: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status
        """The HTTP status, where the server answered."""
        self.webhook = webhook
        """Name of the webhook that it is about, as the server's message has it, e.g. `vclusterpackage.kb.io`."""


class ConfigError(KubeError):
    """The kubeconfig, a flag or a credential can't be used; no request was sent."""

    code = "kubeconfig"
    hint = "Look at it with: kubectl config view"


class Unreachable(KubeError):
    """No answer: refused, reset, unresolvable, timed out, or TLS failed. May be worth another try."""

    code = "unreachable"
    hint = "Check that the cluster answers: kubectl version"


class NobodyThere(Unreachable):
    """No server listens at the address, or its name is unknown: it may be mistyped, or the API server is restarting."""


class BadCertificate(Unreachable):
    """TLS failed because a certificate isn't trusted. Trying again doesn't help."""

    code = "certificate"
    hint = "Check the cluster's certificate-authority in the kubeconfig, or pass --certificate-authority."


class NotKubernetes(KubeError):
    """Something answered, but not as a Kubernetes API server does."""

    code = "not-kubernetes"
    hint = "Check the server's address: kubectl config view --minify"


class Unauthorized(KubeError):
    """401, also after the credentials were read again."""

    code = "unauthorized"
    hint = "Log in again, then check with: kubectl auth whoami"


class Forbidden(KubeError):
    """403 from the authorizer: the user lacks a right."""

    code = "forbidden"
    hint = "Ask an admin for the right, and check with: kubectl auth can-i"


class NotFound(KubeError):
    """404: the object, or its whole kind, isn't there."""

    code = "not-found"


class Conflict(KubeError):
    """409: the object changed meanwhile, or a precondition (UID, resourceVersion) didn't hold."""

    code = "conflict"
    hint = "Another client changed the object at the same time: run this again."


class Expired(KubeError):
    """410: a resourceVersion or continue token is too old; list again."""

    code = "expired"


class Invalid(KubeError):
    """400 or 422: the server understood the request and rejects its content."""

    code = "invalid"


class Refused(KubeError):
    """An admission webhook or policy denied the request; `webhook` is `""` if it was a policy."""

    code = "refused"


class WebhookUnreachable(KubeError):
    """An admission webhook with failurePolicy Fail could not be called."""

    code = "webhook-unreachable"


class ConversionFailed(KubeError):
    """A CRD's conversion webhook can't be called, so that its objects can neither be read nor changed."""

    code = "conversion-webhook"
    hint = "Start the webhook's Deployment, or give the CRD conversion strategy None."


class Busy(KubeError):
    """429, 500, 502, 503 or 504, still so after all retries."""

    code = "busy"
    hint = "The API server is overloaded or restarting: run this again in a minute."
