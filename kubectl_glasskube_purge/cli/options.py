"""The table of options: what they are called, what they take, what it becomes, what to say about them.

Everything that has to know an option reads it here: `arguments` separates words and
converts values, `usage` writes --help, `completion` offers what fits, `commands` says
which command has which, and a command asks its line for the values of those it names.
Importing this costs next to nothing, so that --help and completion never wait for
typer, which takes longer to import than they may take altogether.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T")

Completes = Literal["", "context", "cluster", "user", "file", "json", "yaml", "html", "topic"]
"""What the value of an option names: an entry of the kubeconfig, a file, of one kind if it says so, or what there is
help for."""


@dataclass(frozen=True)
class Option(Generic[T]):
    """One option. `T` is the type of its value."""

    name: str
    """With its dashes: `--output`."""
    help: str
    default: T
    """Its value if it isn't given. A switch's is False."""
    convert: Callable[[str], Any] = str
    """A word → its value, or one of several. Raises `ValueError` or `ProblemError` for a word that makes no sense."""
    metavar: str = ""
    short: str = ""
    """With its dash: `-o`."""
    values: tuple[str, ...] = ()
    """All the words it takes, if they are few."""
    bare: str = ""
    """What it means without a value. Such an option takes one behind `=` only, as kubectl's do."""
    repeated: bool = False
    """Whether it may be given several times, each adding to the others. Of all other options the last one counts."""
    field: str = ""
    """The field of a dataclass that gets its value, if that isn't its name."""
    completes: Completes = ""

    @property
    def is_switch(self) -> bool:
        """Whether it takes no value but true and false."""
        return self.default is False

    @property
    def parameter(self) -> str:
        """The field of a dataclass that gets its value."""
        return self.field or self.name.removeprefix("--").replace("-", "_")

    @property
    def form(self) -> str:
        """How its value is written behind its name: `=NAME`, `[=client|server]`; `""` for a switch."""
        if self.is_switch:
            return ""
        value = "|".join(self.values) or self.metavar
        return f"[={value}]" if self.bare else f"={value}"

    @property
    def shown(self) -> str:
        """As error messages name it, like kubectl's: `-o, --output`."""
        return f"{self.short}, {self.name}" if self.short else self.name


Options = tuple[Option[Any], ...]


def switch(name: str, help: str, short: str = "", field: str = "") -> Option[bool]:
    """An option that is on or off."""
    return Option(name, help, False, boolean, short=short, field=field)


def text(
    name: str, help: str, metavar: str, completes: Completes = "", short: str = "", field: str = ""
) -> Option[str]:
    """An option whose value is what was typed; `""` if it isn't given."""
    return Option(name, help, "", metavar=metavar, short=short, field=field, completes=completes)


# -- values


class Output(str, Enum):
    """How a result is written."""

    human = "human"
    wide = "wide"
    json = "json"
    yaml = "yaml"
    jsonl = "jsonl"
    name = "name"

    @property
    def is_for_people(self) -> bool:
        """Whether stdout is to be read, not parsed."""
        return self in (Output.human, Output.wide)


def boolean(word: str) -> bool:
    """True or false, in the forms that Go's flags take. Raises `ValueError` for any other."""
    if word in ("1", "t", "T", "true", "True", "TRUE"):
        return True
    if word in ("0", "f", "F", "false", "False", "FALSE"):
        return False
    raise ValueError("write true or false")


def duration(word: str) -> float:
    """Seconds of a duration as kubectl writes it: `90s`, `10m`, `1h30m`, `45`. Raises `ValueError`."""
    import re

    matched = re.fullmatch(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s?)?", word, re.ASCII)
    if not word or matched is None:
        raise ValueError("write a duration, such as 90s, 10m or 1h30m")
    return sum(float(number or 0) * unit for number, unit in zip(matched.groups(), (3600, 60, 1), strict=True))


def request_timeout(word: str) -> float:
    """Seconds of a `--request-timeout`, by kubectl's rules and in its words. Raises `ConfigError`."""
    from kubectl_glasskube_purge.kube.config.client_config import parse_timeout

    return parse_timeout(word)


def finalizers(word: str) -> tuple[str, ...]:
    """The finalizers that may be dropped. Raises `ValueError` for those of Kubernetes itself."""
    from kubectl_glasskube_purge.purge.judge.held import is_of_kubernetes

    names = tuple(word.split(","))
    if word != "gone" and any(map(is_of_kubernetes, names)):
        raise ValueError("write a domain, too, as in example.com/name; Kubernetes' own finalizers are never dropped")
    return names


def count(word: str) -> int:
    """A whole number, such as `-v` takes. Raises `ValueError`."""
    if not word.removeprefix("-").isdecimal():
        raise ValueError("write a whole number")
    return int(word)


def path(word: str) -> Path:
    """A file's path."""
    from pathlib import Path

    return Path(word)


SYSTEM = "glasskube-system"


def glasskubes_namespace(word: str) -> str:
    """The one namespace that `-n` takes. Raises `ValueError` for any other."""
    if word != SYSTEM:
        raise ValueError(f"Glasskube is in {SYSTEM}, and what it installed wherever that is; leave the flag out")
    return word


# -- options that every command has

KUBECTL: Options = (
    text("--context", "The kubeconfig context to use.", "NAME", "context"),
    text("--kubeconfig", "The kubeconfig file to read, and no other.", "FILE", "file"),
    text("--cluster", "The kubeconfig cluster to use.", "NAME", "cluster"),
    text("--user", "The kubeconfig user to use.", "NAME", "user"),
    text("--server", "The API server's address.", "URL", short="-s"),
    text("--token", "Bearer token for the API server.", "TOKEN"),
    text("--as", "User, or service account, to impersonate.", "NAME", field="as_user"),
    Option(
        "--as-group",
        "Group to impersonate; may be given several times.",
        (),
        metavar="NAME",
        repeated=True,
        field="as_groups",
    ),
    text("--as-uid", "UID to impersonate.", "UID"),
    text("--certificate-authority", "CA to trust, a file.", "FILE", "file"),
    text("--client-certificate", "Client certificate, a file.", "FILE", "file"),
    text("--client-key", "Its key, a file.", "FILE", "file"),
    switch("--insecure-skip-tls-verify", "Don't check the server's certificate. Insecure."),
    text("--tls-server-name", "Name the server's certificate must have.", "NAME"),
    Option("--request-timeout", "Limit of a single request, e.g. 30s; 0 for none.", None, request_timeout, "DURATION"),
    text("--username", "Name for basic authentication.", "NAME"),
    text("--password", "Password for basic authentication.", "PASSWORD"),
    text("--proxy-url", "Proxy to the API server.", "URL"),
    switch("--disable-compression", "Ask for answers that aren't compressed."),
)
"""kubectl's global flags, with kubectl's meaning. They fill `kube`'s `Flags`, whose fields have their names."""

NAMESPACE = Option("--namespace", f"Only {SYSTEM} is accepted.", "", glasskubes_namespace, "NAME", "-n")
VERSION = switch("--version", "Print the plugin's version.")
DEBUG = switch("--debug", "Show where in the program an error came from.")
HELP = switch("--help", "Show this.", "-h")
COMMON: Options = (
    switch("--plain", "For screen readers: no drawing, no colour, nothing moves."),
    Option("--v", "Log requests: 6 names them, 9 shows all of them.", 0, count, "N", "-v", field="verbosity"),
    VERSION,
    DEBUG,
    HELP,
)

# -- options that several commands have

OUTPUT = Option("--output", "How the result is written to stdout.", Output.human, Output, short="-o")
REPORT: Option[Path | None] = Option(
    "--report", "Also write a page for the change ticket.", None, path, "FILE.html", field="page", completes="html"
)
DRY_RUN = Option("--dry-run", "Show what would be done, and do nothing.", "", values=("client",), bare="client")
YES = switch("--yes", "Don't ask.", "-y")
TIMEOUT: Option[float | None] = Option(
    "--timeout", "Limit of the whole run, e.g. 10m.", None, duration, "DURATION", field="total"
)
GLASSKUBE_VERSION = text("--glasskube-version", "The installed Glasskube release, if it can't be detected.", "vX.Y.Z")
SOURCES: Options = (
    text("--manifest", "Release manifest to go by.", "FILE|URL", "yaml"),
    text("--releases-url", "Mirror of the releases.", "URL"),
    switch("--offline", "Download nothing: go by the cache and the built-in inventory."),
)
"""Where a manifest comes from."""
DECIDING: Options = (
    Option(
        "--flux",
        "What becomes of Flux. auto, the default: it is deleted if Glasskube brought it and nothing else uses it.",
        "auto",
        values=("auto", "keep", "delete"),
    ),
    switch("--delete-shared-flux", "With --flux=delete: also where others use it."),
    Option(
        "--keep-packages",
        "Keep what the packages installed running: flux hands it over to Flux, helm to plain Helm;"
        " without a value to Flux if Flux is kept.",
        "",
        values=("auto", "flux", "helm"),
        bare="auto",
    ),
    Option(
        "--keep",
        "Keep this package running: NAME of a ClusterPackage, NAMESPACE/NAME of a Package. May be given several times.",
        (),
        metavar="PACKAGE",
        repeated=True,
    ),
    Option(
        "--keep-in-use",
        "Keep every package running that others rely on.",
        "",
        values=("auto", "flux", "helm"),
        bare="auto",
    ),
    Option("--hand-over", "The tool that kept packages are handed over to.", "", values=("flux", "helm")),
    switch("--delete-in-use", "Delete packages that others rely on, too."),
    switch("--delete-crds", "Delete the CRDs that Helm leaves, if they have no instances."),
    Option(
        "--include-foreign",
        f"Also delete what others put into a deleted namespace; without a value into {SYSTEM}. May be given several"
        " times.",
        (),
        metavar="NAMESPACE",
        bare=SYSTEM,
        repeated=True,
    ),
    Option(
        "--force-finalizers",
        "Drop these finalizers; without a value those of Flux, Glasskube and deleted packages whose controller is gone."
        " May be given several times.",
        (),
        finalizers,
        metavar="FINALIZER,...",
        bare="gone",
        repeated=True,
    ),
)
"""What decides about single objects."""


def output(*values: str) -> Option[Output]:
    """`-o`, with what a command can write."""
    forms = {
        "human": "for people",
        "wide": "every object, with the reason",
        "jsonl": "each event as it happens",
        "name": "what was deleted, as kubectl delete -o name",
    }
    words = "; ".join(f"{value}: {forms[value]}" for value in values if value in forms)
    return replace(OUTPUT, help=f"{OUTPUT.help} {words}.", values=values)


def dry_run(change: str) -> Option[str]:
    """`--dry-run` of a command that can have the API server try every one of its changes."""
    words = f"{DRY_RUN.help} server: ask the API server about every {change}."
    return replace(DRY_RUN, help=words, values=("client", "server"))


# -- options of single commands that these ask for by name

ROLE = text("--role", "With --dry-run: also write the ClusterRole that this purge takes.", "FILE", "yaml")
WAIT_IDLE = Option("--wait-idle", "Wait for work under way, at most this long.", 0.0, duration, "DURATION")
BACKUP = text("--backup", "Where what goes is written down first; - for stdout.", "FILE", "yaml")
NO_BACKUP = switch("--no-backup", "Write nothing down: there is no way back.")
ROLLBACK = switch(
    "--rollback-on-failure",
    "Put everything back where the purge fails before the controllers are gone.",
    field="rollback",
)
RELEASE = text("--release", "Instead of a file: that release's manifest.", "vX.Y.Z")
MOVED = "moved"
"""What a bare `--sidecar-image` means: the address that the image moved to."""
SIDECAR_IMAGE = Option(
    "--sidecar-image",
    "Another image for kube-rbac-proxy. Without one: the image at its new address.",
    "",
    metavar="IMAGE",
    bare=MOVED,
)
REMOVE = switch("--remove", "Take off what an earlier label put on.")
CLIENT = switch("--client", "The plugin's version alone; no cluster is asked.")
FORMAT = Option(
    "--format",
    "The tool that the files are for.",
    "helmfile",
    values=("helmfile", "helm", "flux", "argocd", "kustomize"),
)
EXPORT = text("--export", "Also write the packages as files for another tool, before the first delete.", "DIR")
EXPORT_FORMAT = replace(FORMAT, name="--export-format")
FROM = text("--from", "A backup to read instead of the cluster.", "FILE", "yaml")
WITH_SECRETS = switch("--with-secrets", "Also write the contents of Secrets, in files that only you can read.")
