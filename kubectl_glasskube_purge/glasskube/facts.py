"""The names by which Glasskube, and the Flux it brings, are recognised.

Constants and nothing else. What an install's objects are called per release is
`inventory.py`'s; whether a name proves anything is for the guard to judge.
Every section says where its facts come from: the operator's and the CLI's Go
source, the release manifests (v0.0.1-alpha.5 to v0.26.1), or the documentation
of the tool that sets them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Kind:
    """A custom resource's kind. Scope and versions differ between releases: ask the cluster or the inventory."""

    group: str
    kind: str
    plural: str

    @property
    def group_kind(self) -> tuple[str, str]:
        """As `Ref.group_kind` has it."""
        return (self.group, self.kind)

    @property
    def crd(self) -> str:
        """The exact name of the CustomResourceDefinition. CRDs are never matched by pattern:
        `helmreleases.helm.fluxcd.io` is another product's."""
        return f"{self.plural}.{self.group}"


# Glasskube's own API: api/v1alpha1 of the operator; the CRDs in every manifest.

GROUP = "packages.glasskube.dev"
VERSION = "v1alpha1"
"""The only version in every release."""

PACKAGE = Kind(GROUP, "Package", "packages")
"""Namespaced from v0.10.0 on, cluster-scoped before."""
CLUSTER_PACKAGE = Kind(GROUP, "ClusterPackage", "clusterpackages")
"""Cluster-scoped, from v0.10.0 on."""
PACKAGE_INFO = Kind(GROUP, "PackageInfo", "packageinfos")
"""Cluster-scoped."""
PACKAGE_REPOSITORY = Kind(GROUP, "PackageRepository", "packagerepositories")
"""Cluster-scoped, from v0.5.0 on."""
PACKAGE_KINDS = (PACKAGE, CLUSTER_PACKAGE)
PACKAGE_GROUP_KINDS = tuple(kind.group_kind for kind in PACKAGE_KINDS)
"""The same as an object's `Ref` names its kind."""
GLASSKUBE_KINDS = (PACKAGE, CLUSTER_PACKAGE, PACKAGE_INFO, PACKAGE_REPOSITORY)
GLASSKUBE_GROUP_KINDS = tuple(kind.group_kind for kind in GLASSKUBE_KINDS)
"""Likewise."""

PACKAGE_FINALIZER = "packages.glasskube.dev/packageDeletion"
"""On every package (internal/controller). Guards nothing in a purge, which deletes everything it prunes."""

# What the operator and the CLI write on objects: api/v1alpha1, internal/controller/labels, internal/telemetry.

MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
MANAGED_BY = "glasskube"
"""Label value on what packages install, unless it existed before."""
PART_OF_LABEL = "app.kubernetes.io/part-of"
PART_OF = "glasskube"
"""Label value on most of the operator's own objects; CRDs, webhook and Flux lack it."""

INSTALLED_AS_DEPENDENCY_ANNOTATION = "packages.glasskube.dev/installed-as-dependency"
GITOPS_MODE_ANNOTATION = "packages.glasskube.dev/gitops-mode-enabled"
"""On the namespace `NAMESPACE`. Read with Go's ParseBool: `1`, `t`, `T`, `true`, `True` and `TRUE` are true."""

# Field managers in metadata.managedFields.

FIELD_MANAGER = "glasskube"
"""Of `glasskube bootstrap`, which applies server-side (pkg/bootstrap)."""
FIELD_MANAGERS = frozenset(
    {
        FIELD_MANAGER,
        "glasskube-telemetry",  # `glasskube telemetry`, on the namespace
        "package-operator",  # the operator's binary: updates of packages and what belongs to them
        "package-operator-cert-manager",  # the webhook certificate's Job and CronJob
        "packages.glasskube.dev/package-controller",  # objects of packages that are plain manifests
    }
)
"""All that Glasskube's own programs leave."""

HANDWORK_MANAGERS = frozenset(
    f"kubectl-{command}" for command in ("annotate", "edit", "label", "patch", "rollout", "scale", "set")
)
"""Of kubectl's commands that change what exists (its source, pkg/cmd); `apply` and `replace` bring a whole."""

# The operator's install: the release manifests, cmd/package-operator, cmd/cert-manager.

NAMESPACE = "glasskube-system"
OPERATOR_DEPLOYMENT = "glasskube-controller-manager"
OPERATOR_CONTAINER = "manager"
OPERATOR_IMAGE = "ghcr.io/glasskube/package-operator"
"""Tagged `latest` in the manifests up to v0.0.1, with the release's version since v0.0.2."""
WEBHOOK_CONFIGURATION = "glasskube-validating-webhook-configuration"
"""From v0.1.0 on; `failurePolicy: Fail`."""
WEBHOOK_SERVICE = "glasskube-webhook-service"
WEBHOOK_SECRET = "glasskube-webhook-tls"  # noqa: S105 - a Secret's name is no secret
"""The webhook's certificate. Made by a Job, so in no manifest."""
LEASE = "2fe03b1d.glasskube.dev"
"""Leader election; made by the operator, so in no manifest."""
AUTOUPDATER = "glasskube-autoupdate"
"""CronJob, ServiceAccount, ClusterRole and ClusterRoleBinding of the auto-updater."""
RBAC_PROXY_CONTAINER = "kube-rbac-proxy"
RBAC_PROXY_IMAGE = "gcr.io/kubebuilder/kube-rbac-proxy"
"""Sidecar in every release, tagged v0.15.0. Gone from this address since March 2026, so that a
Pod started since then is never Ready."""
RBAC_PROXY_IMAGE_MOVED = "registry.k8s.io/kubebuilder/kube-rbac-proxy"
"""Where the same image is since."""

RELEASES_URL = "https://github.com/glasskube/glasskube/releases/download"
MANIFEST_URL = "{base}/{version}/manifest-{variant}.yaml"
"""Address of a release manifest, under `RELEASES_URL` or a mirror of it."""

# Flux as the `aio` manifests bring it: helm-controller v0.37.2 to v1.0.1, source-controller v1.2.3 to v1.3.0.

FLUX_NAMESPACE = "flux-system"
HELM_CONTROLLER = "helm-controller"
SOURCE_CONTROLLER = "source-controller"
FLUX_DEPLOYMENTS = (HELM_CONTROLLER, SOURCE_CONTROLLER)

HELM_GROUP = "helm.toolkit.fluxcd.io"
SOURCE_GROUP = "source.toolkit.fluxcd.io"
HELM_RELEASE = Kind(HELM_GROUP, "HelmRelease", "helmreleases")
BUCKET = Kind(SOURCE_GROUP, "Bucket", "buckets")
GIT_REPOSITORY = Kind(SOURCE_GROUP, "GitRepository", "gitrepositories")
HELM_CHART = Kind(SOURCE_GROUP, "HelmChart", "helmcharts")
HELM_REPOSITORY = Kind(SOURCE_GROUP, "HelmRepository", "helmrepositories")
OCI_REPOSITORY = Kind(SOURCE_GROUP, "OCIRepository", "ocirepositories")
FLUX_KINDS = (HELM_RELEASE, BUCKET, GIT_REPOSITORY, HELM_CHART, HELM_REPOSITORY, OCI_REPOSITORY)
"""All kinds whose CRDs `aio` brings; all namespaced."""
SOURCE_KINDS = (BUCKET, GIT_REPOSITORY, HELM_REPOSITORY, OCI_REPOSITORY)
"""Those that charts are drawn from."""
FLUX_GROUP_KINDS = tuple(kind.group_kind for kind in FLUX_KINDS)
"""The same as an object's `Ref` names its kind."""

FLUX_FINALIZER = "finalizers.fluxcd.io"
"""On HelmReleases (helm-controller uninstalls the chart) and on sources (source-controller drops the
artifact). Dropped by hand from a HelmRelease, the chart's objects stay behind."""

# Flux beyond what `aio` brings, by which somebody else's use of it is recognised: Flux 2's install manifests.

FLUX_PART_OF = "flux"
"""Value of `PART_OF_LABEL` on every object of an ordinary Flux install; those of `aio` lack it."""
FLUX_OTHER_DEPLOYMENTS = (
    "image-automation-controller",
    "image-reflector-controller",
    "kustomize-controller",
    "notification-controller",
    "source-watcher",
)
FLUX_OTHER_KINDS = (
    Kind("image.toolkit.fluxcd.io", "ImagePolicy", "imagepolicies"),
    Kind("image.toolkit.fluxcd.io", "ImageRepository", "imagerepositories"),
    Kind("image.toolkit.fluxcd.io", "ImageUpdateAutomation", "imageupdateautomations"),
    Kind("kustomize.toolkit.fluxcd.io", "Kustomization", "kustomizations"),
    Kind("notification.toolkit.fluxcd.io", "Alert", "alerts"),
    Kind("notification.toolkit.fluxcd.io", "Provider", "providers"),
    Kind("notification.toolkit.fluxcd.io", "Receiver", "receivers"),
    Kind("source.extensions.fluxcd.io", "ArtifactGenerator", "artifactgenerators"),
    Kind(SOURCE_GROUP, "ExternalArtifact", "externalartifacts"),
)
FLUX_OPERATOR_GROUP = "fluxcd.controlplane.io"
FLUX_OPERATOR = "flux-operator"
"""Its Deployment."""
FLUX_OPERATOR_LABEL = "fluxcd.controlplane.io/name"
"""On all that it applies: the name of the FluxInstance."""
FLUX_INSTANCE = Kind(FLUX_OPERATOR_GROUP, "FluxInstance", "fluxinstances")
"""The Flux Operator's: it puts back what is deleted of Flux."""

# Who else manages an object, and would put it back: documentation of Argo CD, Flux and Helm.

ARGOCD_INSTANCE_LABEL = "argocd.argoproj.io/instance"
ARGOCD_TRACKING_ANNOTATION = "argocd.argoproj.io/tracking-id"
"""`<application>:<group>/<kind>:<namespace>/<name>`."""
ARGOCD_FIELD_MANAGERS = frozenset({"argocd-application-controller", "argocd-controller"})
"""Of client-side and of server-side applies. With its former default, Argo CD leaves no other mark."""
INSTANCE_OF_LABEL = "app.kubernetes.io/instance"
"""Argo CD's former default for the Application's name; others use it, too."""
FLUX_KUSTOMIZATION_LABEL = "kustomize.toolkit.fluxcd.io/name"
FLUX_KUSTOMIZATION_NAMESPACE_LABEL = "kustomize.toolkit.fluxcd.io/namespace"
FLUX_HELM_RELEASE_LABEL = "helm.toolkit.fluxcd.io/name"
FLUX_HELM_RELEASE_NAMESPACE_LABEL = "helm.toolkit.fluxcd.io/namespace"
HELM_RELEASE_NAME_ANNOTATION = "meta.helm.sh/release-name"
HELM_RELEASE_NAMESPACE_ANNOTATION = "meta.helm.sh/release-namespace"

# How people protect an object from being pruned: documentation of cli-utils and Helm.

KEEP_ANNOTATIONS = {
    "cli-utils.sigs.k8s.io/on-remove": "keep",
    "client.lifecycle.config.k8s.io/deletion": "detach",
    "helm.sh/resource-policy": "keep",
}
"""Annotation and the value by which it protects. None of them stops the garbage collector."""
