"""What an object of a Glasskube release may contain, before it is applied on a manifest's word.

A purge takes nothing but identities from a manifest, and `manifest.check` holds
them against the inventory. Applying one is another matter: a Deployment of a
known name may run anybody's image, a known binding may make anybody an admin. So
everything that gives rights, runs something or is called by the API server is
held against what the 46 releases have, and refused where it goes beyond that.
Fields nobody there uses are refused as well: what isn't known isn't harmless.

Left alone is what has no effect outside of itself: schemas, probes' timings,
resources, schedules, network policies, quotas.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from kubectl_glasskube_purge.kube.objects import Ref

from . import facts, inventory, manifest
from .manifest import ManifestError

Document = Mapping[str, Any]


class ForeignContent(ManifestError):
    """The manifest's objects are Glasskube's by name, and contain what no Glasskube release does."""

    code = "manifest-foreign-content"
    hint = (
        "Nothing of it was applied. If you trust this manifest, apply it yourself: kubectl apply --server-side "
        f"--field-manager={facts.FIELD_MANAGER} -f FILE."
    )

    def __init__(self, source: str, found: Sequence[str]) -> None:
        self.found = tuple(found)
        """All of it, in words; the message has the first five."""
        more = f" and {len(self.found) - 5} more" if len(self.found) > 5 else ""
        super().__init__(source, f"contains what no Glasskube release does: {'; '.join(self.found[:5])}{more}")


def check(documents: Iterable[Document], release: str, source: str) -> None:
    """Raises `ForeignContent` where applying these objects would do what no release of Glasskube does.

    `release` says which roles there are. Raises `ForeignObjects` for an object
    that no release has, as the manifest may have been read by another parser.
    """
    documents = list(documents)
    manifest.check(map(Ref.of, documents), source)
    found = [f"{Ref.of(one).display} has {what}" for one in documents for what in _foreign(one, release)]
    if found:
        raise ForeignContent(source, found)


def _foreign(document: Document, release: str) -> Iterator[str]:
    """What is foreign in one object, in words that go on from `has`."""
    kind = str(document["kind"])
    fields, look = _KINDS.get(kind, ((), None))
    yield from _beyond(document, {"apiVersion", "kind", "metadata", *fields}, "")
    yield from _metadata(document)
    if look is not None:
        try:
            yield from look(document, release)
        except (AttributeError, KeyError, TypeError, ValueError):
            # A text where there should be a list, and the like: the API server would refuse it, too.
            yield f"a {kind} that is none"


def _beyond(value: Mapping[str, Any], known: Collection[str], path: str) -> Iterator[str]:
    for field in value:
        if field not in known:
            yield f"the field {path}{field}"


def _other(value: object, known: Collection[object], path: str) -> Iterator[str]:
    if value is not None and value not in known:
        yield f"{path} {value!r}"


# -- metadata

_ANNOTATION = "controller-gen.kubebuilder.io/version"
_AGGREGATION = "rbac.authorization.k8s.io/aggregate-to-"
_AGGREGATED: Mapping[str, Collection[str]] = {
    "flux-view": ("admin", "edit", "view"),
    "flux-edit": ("admin", "edit"),
}
"""Roles that add to those every cluster has."""


def _metadata(document: Document) -> Iterator[str]:
    metadata = document["metadata"]
    yield from _beyond(metadata, ("name", "namespace", "labels", "annotations", "creationTimestamp"), "metadata.")
    # Those of clouds hand out their roles, those of others steer their controllers.
    yield from (f"the annotation {key}" for key in metadata.get("annotations") or {} if key != _ANNOTATION)
    allowed = {_AGGREGATION + role for role in _AGGREGATED.get(str(metadata["name"]), ())}
    for label in metadata.get("labels") or {}:
        if label.startswith(_AGGREGATION) and label not in allowed:
            yield f"the label {label}"


# -- rights

_CLUSTER_ADMIN = "cluster-admin"
_READ = "get list watch"
_EDIT = "create delete get list patch update watch"
_FLUX_GROUPS = tuple(f"{name}.toolkit.fluxcd.io" for name in ("helm", "image", "kustomize", "notification", "source"))

_RIGHTS: Mapping[str, Mapping[str, str]] = {
    "crd-controller": {
        **{f"{group}/*": "*" for group in _FLUX_GROUPS},
        "/namespaces": _READ,
        "/secrets": _READ,
        "/serviceaccounts": _READ,
        "/configmaps": _EDIT,
        "/configmaps/status": "get patch update",
        "/events": "create patch",
        "coordination.k8s.io/leases": _EDIT,
        "/livez/ping": "head",
    },
    "flux-edit": {f"{group}/*": "create delete deletecollection patch update" for group in _FLUX_GROUPS},
    "flux-view": {f"{group}/*": _READ for group in _FLUX_GROUPS},
    "glasskube-autoupdate": {
        f"{facts.GROUP}/*": "get list",
        f"{facts.GROUP}/packages": "get list patch update",
        f"{facts.GROUP}/clusterpackages": "get list patch update",
    },
    "glasskube-leader-election-role": {
        "/configmaps": _EDIT,
        "/events": "create patch",
        "coordination.k8s.io/leases": _EDIT,
    },
    "glasskube-manager-role": {
        "/namespaces": "create get list update watch",
        f"{facts.HELM_GROUP}/helmreleases": "create get list update watch",
        f"{facts.SOURCE_GROUP}/helmrepositories": "create get list update watch",
        **{
            f"{facts.GROUP}/{kind}{part}": verbs
            for kind in ("packages", "packageinfos")
            for part, verbs in (("", _EDIT), ("/finalizers", "update"), ("/status", "get patch update"))
        },
    },
    "glasskube-metrics-reader": {"/metrics": "get"},
    "glasskube-proxy-role": {
        "authentication.k8s.io/tokenreviews": "create",
        "authorization.k8s.io/subjectaccessreviews": "create",
    },
    "glasskube-webhook-cert-role": {
        "/secrets": "create patch",
        "admissionregistration.k8s.io/validatingwebhookconfigurations": "patch",
    },
    **{
        f"glasskube-{kind}-{role}-role": {f"{facts.GROUP}/{plural}": verbs, f"{facts.GROUP}/{plural}/status": "get"}
        for kind, plural in (("clusterpackage", "clusterpackages"), ("packagerepository", "packagerepositories"))
        for role, verbs in (("editor", _EDIT), ("viewer", _READ))
    },
}
"""What the roles of all releases allow: `group/resource`, or a URL's path, and the verbs."""

_CERTIFICATE_ROLE = "glasskube-webhook-cert-role"
"""Two roles have this name: one for the namespace's Secrets, one for the cluster's webhook configurations."""


def _role(document: Document, _release: str) -> Iterator[str]:
    name = str(document["metadata"]["name"])
    allowed = dict(_RIGHTS.get(name, {}))
    if name == _CERTIFICATE_ROLE and document["kind"] == "ClusterRole":
        del allowed["/secrets"]  # of the whole cluster they aren't its business
    for rule in document.get("rules") or ():
        yield from _beyond(rule, ("apiGroups", "resources", "nonResourceURLs", "resourceNames", "verbs"), "rules.")
        named = [f"{group}/{kind}" for group in rule.get("apiGroups") or () for kind in rule.get("resources") or ()]
        for what in [*named, *(rule.get("nonResourceURLs") or ())]:
            verbs = set(allowed.get(what, "").split())
            if more := [verb for verb in rule["verbs"] if verb not in verbs and "*" not in verbs]:
                yield f"the right to {', '.join(map(str, more))} {what.removeprefix('/')}"


_OPERATOR = (facts.NAMESPACE, facts.OPERATOR_DEPLOYMENT)
_FLUX_ACCOUNTS = tuple(
    (facts.FLUX_NAMESPACE, name) for name in (*facts.FLUX_DEPLOYMENTS, *facts.FLUX_OTHER_DEPLOYMENTS)
)
_BINDINGS: Mapping[str, tuple[str, Collection[tuple[str, str]]]] = {
    "cluster-reconciler": (
        _CLUSTER_ADMIN,
        ((facts.FLUX_NAMESPACE, facts.HELM_CONTROLLER), (facts.FLUX_NAMESPACE, "kustomize-controller")),
    ),
    "crd-controller": ("crd-controller", _FLUX_ACCOUNTS),
    "glasskube-autoupdate": ("glasskube-autoupdate", ((facts.NAMESPACE, facts.AUTOUPDATER),)),
    "glasskube-leader-election-rolebinding": ("glasskube-leader-election-role", (_OPERATOR,)),
    "glasskube-manager-rolebinding": ("glasskube-manager-role", (_OPERATOR,)),
    "glasskube-proxy-rolebinding": ("glasskube-proxy-role", (_OPERATOR,)),
    "glasskube-webhook-cert-rolebinding": (_CERTIFICATE_ROLE, ((facts.NAMESPACE, "glasskube-webhook-cert"),)),
}
"""Which binding gives which role to which ServiceAccounts. Several of Flux's are of controllers that `aio` lacks."""


def _binding(document: Document, release: str) -> Iterator[str]:
    role, accounts = _BINDINGS.get(str(document["metadata"]["name"]), ("", ()))
    if role == "glasskube-manager-role" and not _has_role(release, role):
        role = _CLUSTER_ADMIN  # from v0.0.1-alpha.9 on
    given = document["roleRef"]
    kind = document["kind"].removesuffix("Binding")
    if (given.get("kind"), given.get("name")) != (kind, role):
        yield f"the role {given.get('kind')} {given.get('name')}"
    for subject in document.get("subjects") or ():
        who = (subject.get("namespace"), subject.get("name"))
        if subject.get("kind") != "ServiceAccount" or who not in accounts:
            yield f"the subject {subject.get('kind')} {subject.get('name')}"


def _has_role(release: str, name: str) -> bool:
    known = release in inventory.releases()
    return known and any(ref.name == name for ref in inventory.objects(release, inventory.SLIM))


# -- what runs

_REGISTRY = facts.OPERATOR_IMAGE.partition("/")[0]
_IMAGES = frozenset(
    {
        facts.OPERATOR_IMAGE,
        f"{_REGISTRY}/glasskube/glasskube",
        facts.RBAC_PROXY_IMAGE,
        facts.RBAC_PROXY_IMAGE_MOVED,
        *(f"{registry}fluxcd/{name}" for registry in ("", f"{_REGISTRY}/") for name in facts.FLUX_DEPLOYMENTS),
    }
)
"""Without tag and digest. Of Flux's some manifests leave the registry out."""

_POD = (
    "containers",
    "priorityClassName",
    "restartPolicy",
    "securityContext",
    "serviceAccountName",
    "terminationGracePeriodSeconds",
    "volumes",
)
_CONTAINER = (
    "args",
    "command",
    "env",
    "image",
    "imagePullPolicy",
    "livenessProbe",
    "name",
    "ports",
    "readinessProbe",
    "resources",
    "securityContext",
    "volumeMounts",
)
_COMMANDS: Sequence[Sequence[str]] = ([], ["/cert-manager"], ["/package-operator"])


def _deployment(document: Document, _release: str) -> Iterator[str]:
    spec = document["spec"]
    yield from _beyond(spec, ("replicas", "selector", "strategy", "template"), "spec.")
    yield from _pod(document, spec["template"])


def _job(document: Document, _release: str) -> Iterator[str]:
    spec = document["spec"]
    if document["kind"] == "CronJob":
        yield from _beyond(spec, ("concurrencyPolicy", "jobTemplate", "schedule"), "spec.")
        spec = spec["jobTemplate"]["spec"]
    yield from _beyond(spec, ("template",), "spec.")
    yield from _pod(document, spec["template"])


def _pod(document: Document, template: Document) -> Iterator[str]:
    metadata = template.get("metadata") or {}
    yield from _beyond(metadata, ("annotations", "labels", "creationTimestamp"), "the template's metadata.")
    annotations = ("kubectl.kubernetes.io/default-container", "prometheus.io/port", "prometheus.io/scrape")
    yield from (f"the Pods' annotation {key}" for key in metadata.get("annotations") or {} if key not in annotations)
    spec = template["spec"]
    yield from _beyond(spec, _POD, "the Pods' ")
    yield from _beyond(spec.get("securityContext") or {}, ("fsGroup", "runAsNonRoot"), "the Pods' securityContext.")
    accounts = _accounts(str(document["metadata"].get("namespace")))
    yield from _other(spec.get("serviceAccountName"), accounts, "the ServiceAccount")
    for volume in spec.get("volumes") or ():
        yield from _volume(volume)
    for container in spec["containers"]:
        yield from _container(container)


def _accounts(namespace: str) -> Collection[str]:
    known = inventory.every_object()
    return {ref.name for ref in known if ref.kind == "ServiceAccount" and ref.namespace == namespace}


def _volume(volume: Document) -> Iterator[str]:
    for field in volume:
        if field not in ("name", "emptyDir", "secret"):
            yield f"a volume of type {field}"
    secret = volume.get("secret")
    if secret is not None:
        yield from _other(secret.get("secretName"), (facts.WEBHOOK_SECRET,), "a volume with the Secret")
        yield from _beyond(secret, ("secretName", "defaultMode"), "a volume's secret.")


def _container(container: Document) -> Iterator[str]:
    where = f"container {container.get('name')} with "
    yield from (where + what for what in _beyond(container, _CONTAINER, ""))
    image = str(container.get("image") or "")
    if inventory.split_image(image)[0] not in _IMAGES:
        yield f"{where}the image {image}"
    command = container.get("command") or []
    if command not in _COMMANDS:
        yield f"{where}the command {' '.join(map(str, command))}"
    for port in container.get("ports") or ():
        yield from (where + what for what in _beyond(port, ("containerPort", "name", "protocol"), "ports."))
    for variable in container.get("env") or ():
        if not {"fieldRef", "resourceFieldRef"}.issuperset(variable.get("valueFrom") or ()):
            yield f"{where}a variable from elsewhere, {variable.get('name')}"
    for probe in ("livenessProbe", "readinessProbe"):
        known = ("httpGet", "initialDelaySeconds", "periodSeconds")
        yield from (where + what for what in _beyond(container.get(probe) or {}, known, f"{probe}."))
        request = (container.get(probe) or {}).get("httpGet") or {}
        yield from (where + what for what in _beyond(request, ("path", "port", "scheme"), f"{probe}.httpGet."))
    yield from (where + what for what in _security(container.get("securityContext") or {}))


def _security(context: Document) -> Iterator[str]:
    known = {
        "allowPrivilegeEscalation": (False,),
        "capabilities": None,
        "readOnlyRootFilesystem": None,
        "runAsNonRoot": (True,),
        "seccompProfile": ({"type": "RuntimeDefault"},),
    }
    yield from _beyond(context, known, "securityContext.")
    for field, values in known.items():
        if values is not None:
            yield from _other(context.get(field), values, f"securityContext.{field}")
    yield from _beyond(context.get("capabilities") or {}, ("drop",), "securityContext.capabilities.")


# -- what the API server calls, and what is called


def _service_only(config: Document, path: str) -> Iterator[str]:
    beyond = list(_beyond(config, ("service", "caBundle"), path))
    yield from beyond
    service = config.get("service") or {}
    if not beyond and (service.get("namespace"), service.get("name")) != (facts.NAMESPACE, facts.WEBHOOK_SERVICE):
        yield f"a webhook at {service.get('namespace')}/{service.get('name')}"


def _webhooks(document: Document, _release: str) -> Iterator[str]:
    for webhook in document.get("webhooks") or ():
        yield from _service_only(webhook["clientConfig"], "clientConfig.")
        for rule in webhook.get("rules") or ():
            yield from (
                f"a webhook for {group or 'core'} objects" for group in rule["apiGroups"] if group != facts.GROUP
            )


def _definition(document: Document, _release: str) -> Iterator[str]:
    spec = document["spec"]
    yield from _beyond(spec, ("conversion", "group", "names", "preserveUnknownFields", "scope", "versions"), "spec.")
    conversion = spec.get("conversion") or {}
    if webhook := conversion.get("webhook"):
        yield from _service_only(webhook.get("clientConfig") or {}, "spec.conversion.webhook.clientConfig.")


def _service(document: Document, _release: str) -> Iterator[str]:
    spec = document["spec"]
    yield from _beyond(spec, ("ports", "selector", "type"), "spec.")
    yield from _other(spec.get("type"), ("ClusterIP",), "the type")
    for port in spec.get("ports") or ():
        yield from _beyond(port, ("name", "port", "protocol", "targetPort"), "spec.ports.")


_KINDS: Mapping[str, tuple[tuple[str, ...], Any]] = {
    "ClusterRole": (("rules",), _role),
    "ClusterRoleBinding": (("roleRef", "subjects"), _binding),
    "CronJob": (("spec",), _job),
    "CustomResourceDefinition": (("spec",), _definition),
    "Deployment": (("spec",), _deployment),
    "Job": (("spec",), _job),
    "Namespace": ((), None),
    "NetworkPolicy": (("spec",), None),
    "ResourceQuota": (("spec",), None),
    "Role": (("rules",), _role),
    "RoleBinding": (("roleRef", "subjects"), _binding),
    "Service": (("spec",), _service),
    "ServiceAccount": ((), None),
    "ValidatingWebhookConfiguration": (("webhooks",), _webhooks),
}
"""Fields of each kind beside the head, and what looks at them."""
