"""What stands in the files of every format, and what never does."""

from __future__ import annotations

import itertools
import os
import shlex
from pathlib import Path
from typing import Any

import pytest

from kubectl_glasskube_purge.cli.options import FORMAT
from kubectl_glasskube_purge.export import folder
from kubectl_glasskube_purge.export.formats import FORMATS
from kubectl_glasskube_purge.export.model import HIDDEN, Export, export
from kubectl_glasskube_purge.kube import yaml_text
from kubectl_glasskube_purge.undo.content import content
from tests.export.samples import SECRET, chart, cluster, document, info, package, target

HOSTILE = "x\"'`$(touch /tmp/x)\n--- {{ .Values }}\n- a: b"


def of(*objects: dict[str, Any]) -> Export:
    return export(objects or cluster())


def read(text: str) -> Any:
    (found,) = [one for _, one in yaml_text.read(text)]
    return found


@pytest.fixture(params=FORMATS)
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_the_option_takes_what_there_is() -> None:
    assert set(FORMAT.values) == set(FORMATS)


def test_secrets_are_in_no_file_unless_asked_for(form: str) -> None:
    assert SECRET not in "".join(FORMATS[form](of()).values())
    assert HIDDEN in "".join(FORMATS[form](of()).values())
    assert SECRET in "".join(FORMATS[form](export(cluster(), with_secrets=True)).values())


def test_the_order_of_the_objects_makes_no_difference(form: str) -> None:
    assert FORMATS[form](export(reversed(cluster()))) == FORMATS[form](of())


def test_objects_as_a_backup_has_them_make_the_same_files(form: str) -> None:
    backup: list[Any] = []
    for one in cluster():
        backup.append(content(one))
        if "status" in one:
            backup.append({**{key: one[key] for key in ("apiVersion", "kind", "metadata")}, "status": one["status"]})
    assert FORMATS[form](export(backup)) == FORMATS[form](of())


def test_nothing_that_the_server_filled_in_is_written(form: str) -> None:
    text = "".join(FORMATS[form](of()).values())
    for word in ("managedFields", "resourceVersion", "uid-", "ownerReferences", "finalizers", "status:"):
        assert word not in text


def test_what_others_need_comes_first() -> None:
    assert [(one.package.ref.name, one.wave) for one in of().packages] == [("base", 0), ("web", 1)]
    helmfile = read(FORMATS["helmfile"](of())["helmfile.yaml"])
    assert "needs" not in helmfile["releases"][0]  # a package of plain manifests is no release
    lines = FORMATS["helm"](of())["install.sh"].splitlines()
    commands = [shlex.split(line)[0] for line in lines if line and not line.startswith(("#", "set"))]
    assert commands == ["kubectl", "helm"]


def test_packages_that_need_each_other_are_exported() -> None:
    both = [
        package("a"),
        info("a", dependencies=[{"name": "b"}]),
        package("b"),
        info("b", dependencies=[{"name": "a"}]),
    ]
    assert {one.package.ref.name for one in of(*both).packages} == {"a", "b"}


def test_a_chain_of_any_length_has_an_order_and_a_circle_shares_a_place() -> None:
    chain = [f"p{number:04}" for number in range(2000)]
    needs = {name: [{"name": other}] for name, other in itertools.pairwise(chain)}
    needs |= {"x": [{"name": "y"}], "y": [{"name": "x"}, {"name": chain[0]}]}
    objects = [one for name in (*chain, "x", "y") for one in (package(name), info(name, dependencies=needs.get(name)))]
    waves = {one.package.ref.name: one.wave for one in of(*objects).packages}
    assert waves == {**{name: 1999 - place for place, name in enumerate(chain)}, "x": 2000, "y": 2000}


def test_helmfile_needs_the_releases_of_dependencies() -> None:
    objects = [
        *(a := chart("a", "a")),
        package("a", *a),
        info("a"),
        *(b := chart("b", "b", "oci://registry.example.com/charts")),
        package("b", *b),
        info("b", dependencies=[{"name": "a"}]),
    ]
    helmfile = read(FORMATS["helmfile"](of(*objects))["helmfile.yaml"])
    assert helmfile["releases"][1] == {
        "name": "b",
        "namespace": "b",
        "chart": "repository-2/b",
        "version": "1.2.3",
        "values": ["values/b_b.yaml"],
        "needs": ["a/a"],
    }
    assert helmfile["repositories"][1] == {"name": "repository-2", "url": "registry.example.com/charts", "oci": True}


def test_values_are_those_of_the_release_and_name_the_packages_own() -> None:
    text = FORMATS["helm"](of())["values/web_web.yaml"]
    assert read(text) == {"auth": {"password": HIDDEN, "user": "me"}, "replicas": 2, "other": {"on": True}}
    assert "#   /replicas: value replicas\n" in text
    assert "#   /auth/password: value password, from Secret web/login, key pw\n" in text


def test_a_secret_by_way_of_another_package_is_hidden_too() -> None:
    values = {"copied": {"valueFrom": {"packageRef": {"name": "web", "value": "password"}}}}
    helm = chart("shop", "shop", values={"list": [SECRET]})
    more = [package("shop", *helm, values=values), info("shop", valueDefinitions={"copied": target("/list/-", "shop")})]
    shop = next(one for one in of(*cluster(), *more, *helm).packages if one.package.ref.name == "shop")
    assert shop.releases[0].values == {"list": HIDDEN}


def test_a_secret_taken_over_by_a_transformation_is_hidden_too() -> None:
    helm = chart("shop", "shop", values={"password": SECRET})
    source = {"resource": {"kind": "Secret", "name": "x"}, "path": "{.data.x}"}
    manifest = info("shop", transformations=[{"source": source, **target("/password", "shop")}])
    assert of(package("shop", *helm), manifest, *helm).packages[0].releases[0].values == {"password": HIDDEN}


def test_a_secret_in_an_object_of_a_plain_package_is_hidden_too() -> None:
    config = document("v1", "ConfigMap", "c", "shop", data={"url": SECRET, "other": "1"})
    values = {"url": {"valueFrom": {"secretRef": {"name": "login", "key": "pw"}}}}
    path = {"resource": {"kind": "ConfigMap", "name": "c"}, "patch": {"op": "add", "path": "/data/url"}}
    manifest = info("shop", valueDefinitions={"url": {"targets": [path]}})
    (one,) = of(package("shop", config, values=values), manifest, config).packages[0].objects
    assert one["data"] == {"url": HIDDEN, "other": "1"}


def test_no_object_says_that_glasskube_manages_it(form: str) -> None:
    labels = {"app.kubernetes.io/managed-by": "glasskube", "a": "b"}
    ours = document("v1", "ConfigMap", "ours", "shop", metadata={"labels": labels})
    theirs = document("v1", "ConfigMap", "theirs", "shop", metadata={"labels": {"app.kubernetes.io/managed-by": "me"}})
    one = of(package("shop", ours, theirs), info("shop"), ours, theirs, *cluster())
    assert "managed-by: " + '"glasskube"' not in "".join(FORMATS[form](one).values())
    shop = next(one for one in one.packages if one.package.ref.name == "shop")
    assert [each["metadata"].get("labels") for each in shop.objects] == [{"a": "b"}, theirs["metadata"]["labels"]]


def test_flux_gets_the_release_as_it_is_without_glasskubes_label() -> None:
    text = FORMATS["flux"](of())["releases/web_web.yaml"]
    repository, release = [one for _, one in yaml_text.read(text)]
    assert repository["metadata"] == release["metadata"] == {"name": "web", "namespace": "web"}
    assert release["spec"] == {**cluster()[6]["spec"], "values": {**release["spec"]["values"]}}
    assert read(FORMATS["flux"](of())["kustomization.yaml"])["resources"] == [
        "manifests/base.yaml",
        "releases/web_web.yaml",
    ]


def test_an_application_has_what_argo_cds_crd_requires_and_prunes_nothing() -> None:
    application = read(FORMATS["argocd"](of())["applications/web_web.yaml"])
    assert (application["apiVersion"], application["kind"]) == ("argoproj.io/v1alpha1", "Application")
    assert application["metadata"]["annotations"] == {"argocd.argoproj.io/sync-wave": "1"}
    spec = application["spec"]
    assert set(spec) == {"project", "destination", "source", "syncPolicy"}
    assert set(spec["source"]) == {"repoURL", "chart", "targetRevision", "helm"}
    assert spec["source"]["helm"]["releaseName"] == "web"
    assert isinstance(spec["source"]["helm"]["valuesObject"], dict)
    assert spec["syncPolicy"] == {"syncOptions": ["CreateNamespace=true", "ServerSideApply=true"]}


def test_what_an_application_lacks_stands_in_it_and_in_the_readme() -> None:
    helm = chart("web", "web", "oci://registry.example.com/charts", valuesFrom=[{"kind": "Secret", "name": "login"}])
    files = FORMATS["argocd"](of(package("web", *helm), info("web"), *helm))
    assert read(files["applications/web_web.yaml"])["spec"]["source"]["repoURL"] == "registry.example.com/charts"
    for text in files.values():
        assert "Secret login, key values.yaml" in text


def test_a_base_has_a_packages_objects_and_charts() -> None:
    files = FORMATS["kustomize"](of())
    assert read(files["bases/base/kustomization.yaml"])["resources"] == ["base.yaml"]
    (rendered,) = read(files["bases/web/web_web/kustomization.yaml"])["helmCharts"]
    assert (rendered["name"], rendered["version"], rendered["releaseName"]) == ("web", "1.2.3", "web")
    assert f"bases/web/web_web/{rendered['valuesFile']}" in files


def test_a_package_of_nothing_has_no_base() -> None:
    files = FORMATS["kustomize"](of(*cluster(), package("slow"), info("slow")))
    assert read(files["kustomization.yaml"])["resources"] == ["bases/base", "bases/web"]
    assert not [path for path in files if path.startswith("bases/slow")]


def test_a_charts_objects_without_a_namespace_get_that_of_their_release() -> None:
    files = FORMATS["kustomize"](of())
    assert read(files["bases/web/kustomization.yaml"])["resources"] == ["web_web"]
    assert read(files["bases/web/web_web/kustomization.yaml"])["transformers"] == ["namespace.yaml"]
    transformer = read(files["bases/web/web_web/namespace.yaml"])
    assert (transformer["metadata"]["namespace"], transformer["unsetOnly"]) == ("web", True)


def test_the_readme_says_what_differs() -> None:
    suspended = package("slow")
    suspended["spec"]["suspend"] = True
    text = FORMATS["helm"](of(*cluster(), suspended))["README.md"]
    for remark in ("only a dependency", "suspended", "nothing was installed"):
        assert remark in text


def test_the_readme_warns_of_secrets_in_the_files(form: str) -> None:
    assert "Don't commit" in FORMATS[form](export(cluster(), with_secrets=True))["README.md"]
    assert "Don't commit" not in FORMATS[form](of())["README.md"]


def test_hostile_text_is_data(form: str) -> None:
    helm = chart("web", "web", HOSTILE, values={HOSTILE: HOSTILE}, releaseName=HOSTILE)
    del helm[1]["status"]
    helm[1]["spec"]["chart"]["spec"] |= {"chart": HOSTILE, "version": HOSTILE}
    values = {HOSTILE: {"valueFrom": {"secretRef": {"name": HOSTILE, "key": HOSTILE}}}}
    objects = [
        *helm,
        package("web", *helm, values=values),
        info("web", valueDefinitions={HOSTILE: target("/a", HOSTILE)}),
    ]
    for path, text in FORMATS[form](of(*objects)).items():
        assert not set(path.split("/")) & {"", ".", ".."}
        assert path.isprintable()
        if path.endswith(".yaml"):
            assert len(list(yaml_text.read(text))) == (2 if path.startswith("releases/") else 1)
            assert "{{" not in text or path != "helmfile.yaml"
        if path.endswith(".sh"):
            words = shlex.split(text, comments=True)
            assert {HOSTILE, f"--repo={HOSTILE}"} <= set(words)
            assert "touch" not in words
        if path.endswith("README.md"):
            assert not any(line.startswith(("---", "- a")) for line in text.splitlines())


def test_releases_whose_names_run_together_have_files_of_their_own() -> None:
    pairs = [("b-c", "a"), ("c", "a-b")]
    objects = [part for name, namespace in pairs for part in chart(name, namespace)]
    files = FORMATS["helm"](of(package("both", *objects), info("both"), *objects))
    assert {"values/a_b-c.yaml", "values/a-b_c.yaml"} <= files.keys()


def test_a_folder_of_others_is_never_written_to(tmp_path: Path) -> None:
    (tmp_path / "theirs").write_text("x")
    with pytest.raises(folder.ExportExists):
        folder.write(tmp_path, {"a/b": "c"}, private=False)
    assert [one.name for one in tmp_path.iterdir()] == ["theirs"]


def test_the_same_export_may_be_there_already(tmp_path: Path) -> None:
    folder.write(tmp_path / "x", {"a/b": "c"}, private=False)
    folder.write(tmp_path / "x", {"a/b": "c"}, private=False)
    with pytest.raises(folder.ExportExists):
        folder.write(tmp_path / "x", {"a/b": "d"}, private=False)


@pytest.mark.skipif(os.name == "nt", reason="no modes")
def test_files_with_secrets_are_the_users_alone(tmp_path: Path) -> None:
    folder.write(tmp_path / "x", {"a/b": "c"}, private=True)
    assert (tmp_path / "x" / "a" / "b").stat().st_mode & 0o777 == 0o600
