"""Of a release's manifest nothing is applied that differs, in however small a thing, from what the release has.

That the digests of the releases are those of the real manifests is shown in `test_manifest`.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubectl_glasskube_purge.glasskube import inventory, manifest
from kubectl_glasskube_purge.glasskube.manifest import ForeignContent
from kubectl_glasskube_purge.kube import yaml_text
from tests.cluster import rendition

RELEASE = "v0.26.1"
Object = dict[str, Any]


def check(objects: list[Object], release: str = RELEASE) -> None:
    manifest.check_content(objects, rendition.digests(release), "the manifest")


@pytest.mark.parametrize("release", inventory.releases())
def test_every_object_of_a_release_has_a_digest(release: str) -> None:
    digests = inventory.digests(release)
    assert set(digests) == {ref for one in inventory.variants(release) for ref in inventory.objects(release, one)}
    assert all(len(digest) == 64 for digest in digests.values())


def test_an_unknown_release_has_no_digests_so_nothing_of_it_is_applied() -> None:
    assert inventory.digests("v0.27.0") == {}
    with pytest.raises(ForeignContent):
        manifest.check_content(rendition.render(RELEASE, "slim"), {}, "the manifest")


def test_layout_and_order_do_not_matter() -> None:
    objects = rendition.render(RELEASE, "aio")
    turned = [dict(reversed(one.items())) for one in reversed(objects)]
    for text in (
        "---\n".join(map(yaml_text.write, turned)),
        "---\n".join(yaml_text.write(one, plain_words=True) for one in turned),
        "\n---\n".join(json.dumps(one, indent=3) for one in turned),
    ):
        check(list(manifest.parse(text.encode(), "the manifest").values()))


def pod(item: Object) -> Object:
    """The Pods' spec of a workload."""
    spec = item["spec"]
    found: Object = (spec["jobTemplate"]["spec"] if "jobTemplate" in spec else spec)["template"]["spec"]
    return found


def container(item: Object) -> Object:
    first: Object = pod(item)["containers"][0]
    return first


def image(item: Object) -> str:
    return str(container(item)["image"])


OPERATOR = ("Deployment", "glasskube-controller-manager")
MANAGER = ("ClusterRoleBinding", "glasskube-manager-rolebinding")
FLUX_VIEW = ("ClusterRole", "flux-view")
WEBHOOKS = ("ValidatingWebhookConfiguration", "glasskube-validating-webhook-configuration")
EVERYTHING = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
PRIVILEGED = {"pod-security.kubernetes.io/enforce": "privileged"}
URL = {"url": "https://elsewhere.example/x"}

Tampering = tuple[str, tuple[str, str], Callable[[Object], object]]
TAMPERINGS: list[Tampering] = [
    ("args", OPERATOR, lambda it: container(it).update(args=["--metrics-bind-address=0.0.0.0:1"])),
    ("env", OPERATOR, lambda it: container(it).update(env=[{"name": "HTTPS_PROXY", "value": "http://elsewhere"}])),
    ("another tag", OPERATOR, lambda it: container(it).update(image=image(it).replace("v0.26.1", "v0.1.0"))),
    ("a digest", OPERATOR, lambda it: container(it).update(image=f"{image(it)}@sha256:{'0' * 64}")),
    ("another registry", OPERATOR, lambda it: container(it).update(image=f"elsewhere.example/{image(it)}")),
    ("replicas", OPERATOR, lambda it: it["spec"].update(replicas=500)),
    ("a number for a text", OPERATOR, lambda it: it["spec"].update(replicas=str(it["spec"]["replicas"]))),
    ("a priority class", OPERATOR, lambda it: pod(it).update(priorityClassName="system-node-critical")),
    ("a namespace's labels", ("Namespace", "glasskube-system"), lambda it: it["metadata"].update(labels=PRIVILEGED)),
    ("privileges", OPERATOR, lambda it: container(it).update(securityContext={"privileged": True})),
    ("the host's network", OPERATOR, lambda it: pod(it).update(hostNetwork=True)),
    ("a command", ("CronJob", "glasskube-webhook-cert"), lambda it: container(it).update(command=["sh"])),
    ("a role", ("ClusterRoleBinding", "glasskube-proxy-rolebinding"), lambda it: it["roleRef"].update(name="admin")),
    ("a subject", MANAGER, lambda it: it["subjects"].append({"kind": "User", "name": "eve"})),
    ("rights", FLUX_VIEW, lambda it: it["rules"].append(EVERYTHING)),
    ("an annotation", ("ServiceAccount", "helm-controller"), lambda it: it["metadata"].update(annotations={"a": "b"})),
    ("a webhook elsewhere", WEBHOOKS, lambda it: it["webhooks"][0].update(clientConfig=URL)),
    ("a Service's type", ("Service", "glasskube-webhook-service"), lambda it: it["spec"].update(type="LoadBalancer")),
    ("a field less", MANAGER, lambda it: it["subjects"].clear()),
]


@pytest.mark.parametrize(("which", "tamper"), [one[1:] for one in TAMPERINGS], ids=[one[0] for one in TAMPERINGS])
def test_what_no_release_contains_is_refused_and_named(
    which: tuple[str, str], tamper: Callable[[Object], object]
) -> None:
    objects = copy.deepcopy(rendition.render(RELEASE, "aio"))
    check(objects)
    (item,) = [one for one in objects if (one["kind"], one["metadata"]["name"]) == which]
    tamper(item)
    with pytest.raises(ForeignContent) as caught:
        check(objects)
    (found,) = caught.value.foreign
    assert (found.kind, found.name) == which
    assert found.display in caught.value.message
    assert "kubectl apply" in caught.value.hint


def test_the_content_of_another_release_is_refused() -> None:
    operators = [one for one in rendition.render("v0.26.0", "slim") if one["kind"] == "Deployment"]
    check(operators, "v0.26.0")
    with pytest.raises(ForeignContent):
        check(operators)


def test_a_known_object_in_another_namespace_is_refused() -> None:
    (account,) = [one for one in rendition.render(RELEASE, "aio") if one["metadata"]["name"] == "helm-controller"][:1]
    account["metadata"]["namespace"] = "kube-system"
    with pytest.raises(ForeignContent):
        check([account])


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in an object: a mapping or list, and the key or index."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for at, inner in entries:
        yield value, at
        yield from places(inner)


@given(st.data())
def test_no_change_to_any_field_of_any_release_gets_through(data: st.DataObject) -> None:
    release = data.draw(st.sampled_from(inventory.releases()))
    objects = copy.deepcopy(rendition.render(release, "aio"))
    item = data.draw(st.sampled_from(objects))
    holder, at = data.draw(st.sampled_from(list(places(item))))
    if holder is item and at in ("apiVersion", "kind", "metadata"):
        return
    if data.draw(st.booleans()):
        del holder[at]
    else:
        holder[at] = data.draw(st.none() | st.booleans() | st.text() | st.just([]) | st.just({"a": "b"}))
    if objects == rendition.render(release, "aio") or not item["metadata"].get("name"):
        return
    with pytest.raises(ForeignContent):
        check(objects, release)
