"""Whose an object is, by the marks that other tools put on it."""

from __future__ import annotations

import pytest

from kubectl_glasskube_purge.glasskube import facts
from kubectl_glasskube_purge.purge.judge.managers import gitops
from tests.report.plans import found


@pytest.mark.parametrize(
    ("labels", "annotations", "managers", "says"),
    [
        ({}, {facts.ARGOCD_TRACKING_ANNOTATION: "shop:apps/Deployment:a/b"}, (), "Argo CD Application shop"),
        ({facts.ARGOCD_INSTANCE_LABEL: "shop"}, {}, (), "Argo CD Application shop"),
        ({"app.kubernetes.io/instance": "shop"}, {}, ("argocd-controller",), "Argo CD (field manager"),
        ({"app.kubernetes.io/instance": "shop"}, {}, ("kubectl",), ""),
        ({facts.FLUX_KUSTOMIZATION_LABEL: "a", facts.FLUX_KUSTOMIZATION_NAMESPACE_LABEL: "b"}, {}, (), "b/a"),
        ({}, {facts.HELM_RELEASE_NAME_ANNOTATION: "a", facts.HELM_RELEASE_NAMESPACE_ANNOTATION: "b"}, (), "b/a"),
        ({}, {}, (facts.FIELD_MANAGER,), ""),
    ],
)
def test_whose_an_object_is_is_told_by_its_marks(
    labels: dict[str, str], annotations: dict[str, str], managers: tuple[str, ...], says: str
) -> None:
    seen = found("", "Namespace", "a", managers=managers, labels=labels, annotations=annotations)
    managed = gitops([seen])
    assert len(managed) == bool(says)
    assert says in "".join(managed)
