"""The report document: what a script gets. Its fields are a contract, `schema.json` says them.

One plain mapping, built from the plan, the events and the verification. JSON,
YAML and the exit code all come from it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Any

from kubectl_glasskube_purge import __version__
from kubectl_glasskube_purge.glasskube import facts
from kubectl_glasskube_purge.kube.objects import Ref
from kubectl_glasskube_purge.kube.problem import Problem, ProblemError
from kubectl_glasskube_purge.purge.judge import flux
from kubectl_glasskube_purge.purge.model.plan import FluxVerdict, Plan, Stage
from kubectl_glasskube_purge.purge.model.record import Record, outcome_key
from kubectl_glasskube_purge.purge.model.survey import Package, Survey

from . import names

API_VERSION = "glasskube-purge/v1"
UNFORESEEN = "made by what was deleted, after the survey"
"""The reason of what the plan doesn't name."""


class NotAReport(ProblemError):
    """A text is no report document, or one of another version. The message says where it is wrong."""


def document(record: Record) -> dict[str, Any]:
    """The report document of a run, however far it got."""
    plan, survey = record.plan, record.survey
    report: dict[str, Any] = {
        "apiVersion": API_VERSION,
        "kind": record.kind,
        "outcome": record.outcome,
        "exitCode": record.exit,
        "tool": {"version": __version__},
        "context": record.context,
        "server": record.server,
        "user": record.user,
        "startedAt": names.timestamp(record.started),
        "seconds": round(record.seconds, 3),
        "glasskube": {
            "version": survey.version.version if survey else "",
            "detectedBy": survey.version.detected_by if survey else "",
            **(_installed(survey) if survey else {}),
        },
        "manifest": {"source": record.manifest_source},
        "flux": _flux(record),
        **({"backup": {"file": record.backups[-1], "files": record.backups}} if record.backups else {}),
        "packages": [_package(package, plan) for package in survey.packages] if survey else [],
        "stages": [_stage(record, stage) for stage in plan.stages] if plan else [],
        "kept": [{**identity(kept.ref), "why": kept.why} for kept in plan.kept] if plan else [],
        "lost": [{**identity(lost.ref), "what": lost.what} for lost in plan.lost] if plan else [],
        "leftovers": [
            {**identity(leftover.ref), "why": leftover.why}
            for leftover in (record.verification.leftovers if record.verification else ())
        ],
        "unreadable": list(record.verification.unreadable) if record.verification else [],
        "warnings": [{"code": warning.code, "message": warning.message} for warning in _warnings(record)],
    }
    if record.error is not None:
        report["error"] = error(record.error)
    if record.rollback is not None:
        back = document(record.rollback)
        report["rollback"] = {name: back[name] for name in ("outcome", "stages", "error") if name in back}
    return report


def error(problem: Problem) -> dict[str, str]:
    """The field `error` of a document."""
    return {"code": problem.code, "message": problem.message, "hint": "\n".join((problem.hint, *problem.copied))}


def _warnings(record: Record) -> Iterable[Problem]:
    planned = record.plan.warnings if record.plan else ()
    return dict.fromkeys([*planned, *record.warnings])


def identity(ref: Ref) -> dict[str, str]:
    """The fields by which every document names an object."""
    return {"apiVersion": ref.api_version, "kind": ref.kind, "namespace": ref.namespace, "name": ref.name}


def _flux(record: Record) -> dict[str, Any]:
    """What becomes of Flux; without a plan, what a purge would decide about the one that was seen."""
    verdict = record.plan.verdict if record.plan else flux.judge(record.survey) if record.survey else FluxVerdict()
    seen = ("delete" if verdict.proven else "keep") if verdict.present else "absent"
    decision = record.plan.flux if record.plan else seen
    return {"decision": decision, "evidence": [evidence.text for evidence in verdict.evidence]}


def _installed(survey: Survey) -> dict[str, Any]:
    namespace = survey.namespace
    return {
        "operator": survey.operator.state,
        "installedAt": namespace.created if namespace else "",
        "installedBy": list(namespace.managers) if namespace else [],
    }


def _package(package: Package, plan: Plan | None) -> dict[str, Any]:
    template = package.found.get("spec", "packageInfo") or {}
    return {
        **identity(package.ref),
        "uid": package.found.uid,
        "package": package.package,
        "version": str(template.get("version") or ""),
        "repository": str(template.get("repositoryName") or ""),
        "status": package.status,
        "suspended": package.suspended,
        "asDependency": package.found.annotations.get(facts.INSTALLED_AS_DEPENDENCY_ANNOTATION) == "true",
        "requires": [identity(ref) for ref in sorted(package.requires)],
        **(_decision(package.ref, plan) if plan else {}),
    }


EXAMPLES = 5
"""Of the users of a package, how many the document names."""


def _decision(package: Ref, plan: Plan) -> dict[str, Any]:
    for one in plan.packages:
        if one.package == package:
            usage = [
                {
                    "what": use.what,
                    "count": len(use.users),
                    "namespaces": [*use.namespaces],
                    "examples": [identity(user) for user in use.users[:EXAMPLES]],
                }
                for use in one.uses
            ]
            return {"decision": one.decision, "usage": usage}
    return {}


def _stage(record: Record, stage: Stage) -> dict[str, Any]:
    objects = [_entry(record, a.ref, a.found.uid, a.verb, a.reason) for a in stage.actions]
    objects += [
        {
            **_entry(record, c.found.ref, c.found.uid, "delete", c.reason),
            "because": {**identity(c.because), "rule": c.rule},
        }
        for c in stage.consequences
    ]
    objects += [
        _entry(record, event.ref, event.uid, event.verb, UNFORESEEN) for event in record.followed.get(stage.name, ())
    ]
    began = {"at": round(record.stage_moments[stage.name], 3)} if stage.name in record.stage_moments else {}
    seconds = round(record.stage_seconds.get(stage.name, 0.0), 3)
    return {"name": stage.name, **began, "seconds": seconds, "objects": objects}


def _entry(record: Record, ref: Ref, uid: str, verb: str, reason: str) -> dict[str, Any]:
    unsaid = "planned" if record.outcome in ("dry-run", "declined", "refused") else "pending"
    key = outcome_key(ref, uid, verb)
    outcome, message = record.outcomes.get(key, (unsaid, ""))
    when = {"at": round(record.moments[key], 3)} if key in record.moments else {}
    what = {"action": verb, "reason": reason, "outcome": outcome, "message": message}
    return {**identity(ref), "uid": uid, **what, **when}


def as_json(report: Mapping[str, Any]) -> str:
    """The document as indented JSON, ending in a newline."""
    return json.dumps(report, indent=2) + "\n"


def as_yaml(report: Mapping[str, Any]) -> str:
    """The document as YAML that YAML 1.1 readers, kubectl's among them, read the same: every string is quoted."""
    from kubectl_glasskube_purge.kube import yaml_text

    return yaml_text.write(report)


def schema(file: str = "schema.json") -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of the report document, or the one in another file of this room."""
    loaded: dict[str, Any] = json.loads(files(__package__).joinpath(file).read_text("utf-8"))
    return loaded
