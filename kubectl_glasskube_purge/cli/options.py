"""The command line as data: which commands and options there are, and what to say about them.

Everything that has to know them reads them here: `arguments` tells words apart,
`usage` writes --help, `completion` offers what fits, and `commands.binding` names
the parameters of the functions that do the work. Importing this costs next to
nothing, so that --help and completion never wait for typer, which takes longer
to import than they may take altogether.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

Completes = Literal["", "context", "cluster", "user", "file", "json", "yaml", "html"]
"""What the value of an option names: an entry of the kubeconfig, or a file, of one kind where it says so."""


@dataclass(frozen=True)
class Option:
    """One option. Without `metavar` and `values` it is a switch."""

    name: str
    """With its dashes: `--output`."""
    help: str
    short: str = ""
    """With its dash: `-o`."""
    metavar: str = ""
    values: tuple[str, ...] = ()
    """All it takes, where that is few."""
    bare: str = ""
    """What it means without a value. Such an option takes one behind `=` only, as kubectl's do."""
    repeated: bool = False
    """Whether it may be given several times, each adding to the others. Of all other options the last one counts."""
    field: str = ""
    """The parameter it becomes, where that isn't its name."""
    check: Callable[[str], object] | None = None
    """Raises `ValueError` for a value that makes no sense."""
    completes: Completes = ""

    @property
    def is_switch(self) -> bool:
        """Whether it takes no value but true and false."""
        return not self.metavar and not self.values

    @property
    def parameter(self) -> str:
        """The name of the parameter that gets its value."""
        return self.field or self.name.removeprefix("--").replace("-", "_")

    @property
    def shown(self) -> str:
        """As error messages name it, like kubectl's: `-o, --output`."""
        return f"{self.short}, {self.name}" if self.short else self.name


@dataclass(frozen=True)
class Command:
    """One command. The purge has no name: nobody types one to get it."""

    name: str
    module: str
    """Of the package `commands`."""
    summary: str
    description: str
    sections: tuple[tuple[str, tuple[Option, ...]], ...]
    """Headings and what stands under them."""
    examples: tuple[tuple[str, str], ...] = ()
    """What for, and how."""
    argument: str = ""
    """What it takes besides options, as --help names it."""
    least: int = 0
    most: int = 0
    """How many of them; -1 for any number."""
    argument_values: tuple[str, ...] = ()
    argument_completes: Completes = ""

    @property
    def options(self) -> Mapping[str, Option]:
        """Its options by every name they have."""
        return {
            name: option
            for _, options in self.sections
            for option in options
            for name in (option.name, option.short)
            if name
        }


# -- values


def duration(text: str) -> float:
    """Seconds of a duration as kubectl writes it: `90s`, `10m`, `1h30m`, `45`. Raises `ValueError`."""
    import re

    matched = re.fullmatch(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s?)?", text, re.ASCII)
    if not text or matched is None:
        raise ValueError("write a duration, such as 90s, 10m or 1h30m")
    return sum(float(number or 0) * unit for number, unit in zip(matched.groups(), (3600, 60, 1), strict=True))


def request_timeout(text: str) -> float:
    """Seconds of a `--request-timeout`, by kubectl's rules and in its words. Raises `ValueError`."""
    from kubectl_glasskube_purge.kube.config.client_config import parse_timeout
    from kubectl_glasskube_purge.kube.errors import ConfigError

    try:
        return parse_timeout(text)
    except ConfigError as error:
        raise ValueError(error.message) from None


def count(text: str) -> int:
    """A whole number, such as `-v` takes. Raises `ValueError`."""
    if not text.removeprefix("-").isdecimal():
        raise ValueError("write a whole number")
    return int(text)


NAMESPACE = "glasskube-system"


def glasskubes_namespace(text: str) -> str:
    """The one namespace that `-n` takes. Raises `ValueError` for any other."""
    if text != NAMESPACE:
        raise ValueError(f"Glasskube is in {NAMESPACE}, and what it installed wherever that is; leave the flag out")
    return text


# -- options that several commands have


def output(*values: str) -> Option:
    """`-o`, with what a command can write."""
    forms = {
        "human": "for people",
        "wide": "every object, with the reason",
        "jsonl": "each event as it happens",
        "name": "what was deleted, as kubectl delete -o name",
    }
    words = "; ".join(f"{value}: {forms[value]}" for value in values if value in forms)
    return Option("--output", f"How the result is written to stdout. {words}.", short="-o", values=values)


REPORT = Option("--report", "Also write a page for the change ticket.", metavar="FILE.html", completes="html")
_DRY_RUN = Option("--dry-run", "Show what would be done, and do nothing.", values=("client",), bare="client")
_YES = Option("--yes", "Don't ask.", short="-y")
_TIMEOUT = Option("--timeout", "Limit of the whole run, e.g. 10m.", metavar="DURATION", check=duration)
_MANIFEST = Option("--manifest", "Release manifest to go by.", metavar="FILE|URL", completes="yaml")
_RELEASES_URL = Option("--releases-url", "Mirror of the releases.", metavar="URL")
_OFFLINE = Option("--offline", "Download nothing: go by the cache and the built-in inventory.")
GLASSKUBE_VERSION = Option(
    "--glasskube-version", "The installed Glasskube release, where it can't be told.", metavar="vX.Y.Z"
)

KUBECTL: tuple[Option, ...] = (
    Option("--context", "The kubeconfig context to use.", metavar="NAME", completes="context"),
    Option("--kubeconfig", "The kubeconfig file to read, and no other.", metavar="FILE", completes="file"),
    Option("--cluster", "The kubeconfig cluster to use.", metavar="NAME", completes="cluster"),
    Option("--user", "The kubeconfig user to use.", metavar="NAME", completes="user"),
    Option("--server", "The API server's address.", short="-s", metavar="URL"),
    Option("--token", "Bearer token for the API server.", metavar="TOKEN"),
    Option("--as", "User, or service account, to impersonate.", metavar="NAME", field="as_user"),
    Option(
        "--as-group",
        "Group to impersonate; may be given several times.",
        metavar="NAME",
        repeated=True,
        field="as_groups",
    ),
    Option("--as-uid", "UID to impersonate.", metavar="UID"),
    Option("--certificate-authority", "CA to trust, a file.", metavar="FILE", completes="file"),
    Option("--client-certificate", "Client certificate, a file.", metavar="FILE", completes="file"),
    Option("--client-key", "Its key, a file.", metavar="FILE", completes="file"),
    Option("--insecure-skip-tls-verify", "Don't check the server's certificate. Insecure."),
    Option("--tls-server-name", "Name the server's certificate must have.", metavar="NAME"),
    Option(
        "--request-timeout",
        "Limit of a single request, e.g. 30s; 0 for none.",
        metavar="DURATION",
        check=request_timeout,
    ),
    Option("--username", "Name for basic authentication.", metavar="NAME"),
    Option("--password", "Password for basic authentication.", metavar="PASSWORD"),
    Option("--proxy-url", "Proxy to the API server.", metavar="URL"),
    Option("--disable-compression", "Ask for answers that aren't compressed."),
)
_NAMESPACE = Option(
    "--namespace",
    f"Taken only as {NAMESPACE}.",
    short="-n",
    metavar="NAME",
    check=glasskubes_namespace,
)
COMMON: tuple[Option, ...] = (
    Option("--plain", "For screen readers: no drawing, no colour, nothing moves."),
    Option(
        "--v",
        "Log requests: 6 names them, 9 shows all of them.",
        short="-v",
        metavar="N",
        check=count,
        field="verbosity",
    ),
    Option("--version", "Print the plugin's version."),
    Option("--debug", "Show where in the program an error came from."),
    Option("--help", "Show this.", short="-h"),
)


def _sections(
    *sections: tuple[str, tuple[Option, ...]], output: tuple[Option, ...] = (), namespace: Option = _NAMESPACE
) -> tuple[tuple[str, tuple[Option, ...]], ...]:
    """A command's own sections, and those that all have."""
    return (*sections, ("Output", (*output, *COMMON)), ("Connection, as in kubectl", (*KUBECTL, namespace)))


# -- the commands

_DECIDING: tuple[Option, ...] = (
    Option(
        "--flux",
        "What becomes of Flux. auto, the default: it goes if Glasskube brought it and nobody else uses it.",
        values=("auto", "keep", "delete"),
    ),
    Option("--delete-shared-flux", "With --flux=delete: also where others use it."),
    Option(
        "--keep-packages",
        "What the packages installed stays and runs on: flux hands it over to Flux, helm to plain Helm;"
        " without a value to Flux where it stays.",
        values=("auto", "flux", "helm"),
        bare="auto",
    ),
    Option("--include-foreign", f"Delete what others put into {NAMESPACE}, too."),
    Option("--force-finalizers", "Drop finalizers whose controller is gone."),
)
"""What decides about single objects."""

PURGE = Command(
    "",
    "purge",
    "Remove Glasskube from the cluster",
    "Removes Glasskube from a Kubernetes cluster: completely, in the right order,"
    " nothing else. Shows what will go and asks; deletes, waits, and looks again.",
    _sections(
        (
            "What happens",
            (
                Option(
                    "--dry-run",
                    "Show what would be done, and do nothing. server: ask the API server about every delete.",
                    values=("client", "server"),
                    bare="client",
                ),
                _YES,
                Option(
                    "--wait-idle", "Wait for work under way, at most this long.", metavar="DURATION", check=duration
                ),
                _TIMEOUT,
            ),
        ),
        (
            "What goes, and what stays",
            (
                *_DECIDING,
                Option("--ignore-gitops", "Go on where Argo CD, Flux or Helm would put it back."),
                Option("--ignore-busy", "Cut off work under way."),
            ),
        ),
        (
            "The way back",
            (
                Option(
                    "--backup", "Where what goes is written down first; - for stdout.", metavar="FILE", completes="yaml"
                ),
                Option("--no-backup", "Write nothing down: there is no way back."),
                Option(
                    "--rollback-on-failure",
                    "Put everything back where the purge fails before the controllers are gone.",
                    field="rollback",
                ),
            ),
        ),
        (
            "What was installed",
            (
                GLASSKUBE_VERSION,
                _MANIFEST,
                _RELEASES_URL,
                _OFFLINE,
            ),
        ),
        output=(output("human", "wide", "json", "yaml", "jsonl", "name"), REPORT),
    ),
    examples=(
        ("See what would go", "kubectl glasskube purge --dry-run"),
        ("Remove Glasskube, after a question", "kubectl glasskube purge"),
        ("In a script, with a report", "kubectl glasskube purge --context prod --yes -o json"),
        ("Leave Flux running", "kubectl glasskube purge --flux=keep"),
        ("Leave the packages running, too", "kubectl glasskube purge --keep-packages"),
    ),
)

VERIFY = Command(
    "verify",
    "verify",
    "Say what of Glasskube is in the cluster",
    "Says what of Glasskube, and of a Flux that it left, is in the cluster. Changes"
    " nothing. Exit code 0 where there is nothing, 5 where there is something.",
    _sections(
        ("What was installed", (GLASSKUBE_VERSION,)),
        output=(output("human", "wide", "json", "yaml", "name"),),
    ),
    examples=(("Is it gone?", "kubectl glasskube purge verify"),),
)

EXPLAIN = Command(
    "explain",
    "explain",
    "Why the purge would delete or keep an object",
    "Says whether the purge, with these options, would delete an object, and why. Changes nothing.",
    _sections(
        ("What goes, and what stays", _DECIDING),
        output=(output("human", "json", "yaml"),),
        namespace=Option("--namespace", "Where the object is.", short="-n", metavar="NAME"),
    ),
    examples=(
        ("Would this Deployment go?", "kubectl glasskube purge explain deployment.apps/web -n shop"),
        ("Why does Flux stay?", "kubectl glasskube purge explain namespace/flux-system"),
    ),
    argument="KIND/NAME",
    least=1,
    most=2,
)

MOVED = "moved"
"""What a bare `--sidecar-image` means: the address that the image moved to."""

RESTORE = Command(
    "restore",
    "restore",
    "Bring back what a purge removed, from its backup",
    "Brings back what a purge removed: from the files it wrote, oldest first, or from a release. Shows what"
    " will be put back and asks; applies, and waits until it works.",
    _sections(
        ("What happens", (_DRY_RUN, _YES, _TIMEOUT)),
        (
            "What comes back",
            (
                Option(
                    "--only",
                    "A part: flux, controllers, packages, KIND/NAME or KIND/NAMESPACE/NAME; may be given several"
                    " times.",
                    metavar="PART",
                    repeated=True,
                ),
                Option("--overwrite", "Also what exists already."),
                Option(
                    "--sidecar-image",
                    "Another image for kube-rbac-proxy. Without one: from where it is now.",
                    metavar="IMAGE",
                    bare=MOVED,
                ),
            ),
        ),
        (
            "Without a backup",
            (
                Option("--release", "Instead of a file: that release's manifest.", metavar="vX.Y.Z"),
                _MANIFEST,
                _RELEASES_URL,
                _OFFLINE,
            ),
        ),
        output=(output("human", "wide", "json", "yaml", "jsonl"),),
    ),
    examples=(
        ("From the file that the purge named", "kubectl glasskube purge restore prod-20261123T091142Z.yaml"),
        ("The packages alone", "kubectl glasskube purge restore prod.yaml --only packages"),
    ),
    argument="FILE...",
    most=-1,
    argument_completes="yaml",
)

LABEL = Command(
    "label",
    "label",
    "Put one label system on everything that is Glasskube's",
    "Puts app.kubernetes.io/part-of=glasskube, /component and /version on everything that is Glasskube's, so that"
    " kubectl get -l shows the install. Labels of others stay as they are; what is shared with others gets none.",
    _sections(
        (
            "What happens",
            (
                Option(
                    "--dry-run",
                    "Show what would be done, and do nothing. server: ask the API server about every label.",
                    values=("client", "server"),
                    bare="client",
                ),
                _YES,
                Option("--remove", "Take off what an earlier label put on."),
            ),
        ),
        output=(output("human", "wide", "json", "yaml", "jsonl"),),
    ),
    examples=(
        ("Label everything", "kubectl glasskube purge label"),
        ("Take the labels off again", "kubectl glasskube purge label --remove"),
    ),
)

VERSION = Command(
    "version",
    "version",
    "The plugin's version, and that of the cluster's Glasskube",
    "Says the plugin's version, and which Glasskube is in the cluster.",
    _sections(
        output=(
            Option("--client", "The plugin's version alone; no cluster is asked."),
            output("human", "json", "yaml"),
        )
    ),
    examples=(("Without a cluster, for a script", "kubectl glasskube purge version --client -o json"),),
)

REPORT_COMMAND = Command(
    "report",
    "report",
    "Draw the page of a report",
    "Draws the page of a report that -o json printed: to stdout, or into the file that --report names.",
    _sections(output=(REPORT,)),
    examples=(
        (
            "From a report of last week",
            "kubectl glasskube purge report purge.json --report purge.html",
        ),
    ),
    argument="FILE.json",
    least=1,
    most=1,
    argument_completes="json",
)

INSTALL_ALIAS = Command(
    "install-alias",
    "install_alias",
    "Make `kubectl glasskube purge` work after an install by krew",
    "krew installs this as `kubectl glasskube-purge`. This adds the name with a space, a link beside krew's own.",
    _sections(("What happens", (Option("--remove", "Take it away again, before krew uninstalls the plugin."),))),
    examples=(
        ("Once, after the install", "kubectl glasskube-purge install-alias"),
        ("Before `kubectl krew uninstall glasskube-purge`", "kubectl glasskube-purge install-alias --remove"),
    ),
)

COMPLETION = Command(
    "completion",
    "completion",
    "Print a shell's completion script",
    "Prints the script that makes a shell complete kubectl-glasskube_purge. Where kubectl's own"
    " completion is set up, `kubectl glasskube purge` is completed by it and needs none.",
    _sections(),
    examples=(
        ("In ~/.bashrc", "source <(kubectl glasskube purge completion bash)"),
        ("In ~/.zshrc", "source <(kubectl glasskube purge completion zsh)"),
        ("In ~/.config/fish/config.fish", "kubectl glasskube purge completion fish | source"),
        (
            "In $PROFILE",
            "kubectl glasskube purge completion powershell | Out-String | Invoke-Expression",
        ),
    ),
    argument="SHELL",
    least=1,
    most=1,
    argument_values=("bash", "zsh", "fish", "powershell"),
)

COMMANDS: Mapping[str, Command] = {
    command.name: command
    for command in (PURGE, VERIFY, EXPLAIN, RESTORE, LABEL, REPORT_COMMAND, COMPLETION, INSTALL_ALIAS, VERSION)
}
"""By name; the purge's is `""`."""

EXIT_CODES: Mapping[str, str] = {
    "0": "done, or nothing to do; what was kept by decision is listed",
    "1": "failed: the message says what to do, then run it again",
    "2": "the command line makes no sense",
    "3": "refused: nothing was changed",
    "4": "declined at the question",
    "5": "something is left that should have gone, or `verify` found something",
    "130, 143": "interrupted: run it again",
}

ENVIRONMENT: Mapping[str, str] = {
    "KUBECONFIG": "Kubeconfig files to merge, where `--kubeconfig` names none.",
    "HTTPS_PROXY, HTTP_PROXY, NO_PROXY": "The proxy to the API server and for downloads, and exceptions from it.",
    "NO_COLOR": "Where set: no colour.",
    "COLUMNS": "Width to write for; 80 where there is no terminal.",
    "XDG_STATE_HOME": "Backups are in its folder `kubectl-glasskube-purge`; default `~/.local/state`.",
    "XDG_CACHE_HOME": "Downloaded manifests are in its folder `kubectl-glasskube-purge`; default `~/.cache`.",
}
"""What of the environment counts. macOS and Windows have folders of their own instead of the last two."""
