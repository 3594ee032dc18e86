"""What kubectl's users may expect of the connection, case by case.

Each case sets something up, says with which flags to connect, and whether the
same comes out as in kubectl. `test_connect.py` runs every case with kubectl and
with the connection, against the same API server; `scripts/compatibility.py`
makes docs/compatibility.md of them. So the document says nothing untested.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.controlplane import ADMIN, ControlPlane
from tests.cluster.pki import Authority, Pair
from tests.kube.servers import FakeApi, FakeProxy, fake_api, http_proxy, socks_proxy

V1 = "client.authentication.k8s.io/v1"
V1BETA1 = "client.authentication.k8s.io/v1beta1"


# What a case is


@dataclass(frozen=True)
class Given:
    """How to connect."""

    arguments: tuple[str, ...]
    environ: dict[str, str] = field(default_factory=dict)
    terminal: bool = False
    """stdin is a terminal."""
    evidence: Callable[[], Any] = lambda: None
    """What was seen beside the API server, and is the same for both: read and reset after each run."""


@dataclass(frozen=True)
class Case:
    """One promise."""

    id: str
    section: str
    subject: str
    """The flag, field or credential."""
    promise: str
    given: Callable[[Bench], Given]
    outcome: str
    """`user`: the server sees the same user; `error`: the same words are said; `ours`: deliberately not the same."""
    ours: str = ""
    """What comes out here, where that isn't what kubectl says: a pattern for the user's name or the message."""
    because: str = ""

    @property
    def test(self) -> str:
        """The node id of the test that holds the promise."""
        name = {
            "user": "test_the_server_sees_whom_it_sees_with_kubectl",
            "error": "test_what_is_wrong_is_said_as_kubectl_says_it",
            "ours": "test_it_is_not_as_in_kubectl_for_a_reason",
        }[self.outcome]
        return f"tests/cluster/test_connect.py::{name}[{self.id}]"


CASES: list[Case] = []

_Build = Callable[["Bench"], Given]


def case(
    section: str, subject: str, promise: str, outcome: str = "user", *, ours: str = "", because: str = ""
) -> Callable[[_Build], _Build]:
    """Makes a case of the function that sets it up."""

    def add(given: _Build) -> _Build:
        name = given.__name__.strip("_").replace("_", "-")
        CASES.append(Case(name, section, subject, promise, given, outcome, ours, because))
        return given

    return add


class Bench:
    """A folder, a cluster, and what cases are set up with."""

    def __init__(self, cluster: ControlPlane, folder: Path, stack: contextlib.ExitStack) -> None:
        self.cluster = cluster
        self.folder = folder
        self.token = cluster.token(ADMIN)
        self._stack = stack

    @property
    def port(self) -> int:
        return self.cluster.ports["apiserver"]

    def file(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def pair(self, user: str, *groups: str, days: int = 365) -> Pair:
        """A client certificate and key, also as files `<user>.crt` and `<user>.key`."""
        pair = self.cluster.client_certificate(user, groups, days)
        self.file(f"{user}.crt", pair.certificate)
        self.file(f"{user}.key", pair.key)
        return pair

    def service_account_token(self, name: str = "default") -> str:
        return self.cluster.kubectl("create", "token", name).stdout.strip()

    def document(self, user: dict[str, Any] | None = None, cluster: dict[str, Any] | None = None) -> dict[str, Any]:
        """A kubeconfig whose context `main` is the given user on the given cluster; `other` is jane on the same."""
        main = {"server": self.cluster.server, "certificate-authority": str(self.cluster.ca_file), **(cluster or {})}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "main",
            "contexts": [
                {"name": "main", "context": {"cluster": "main", "user": "main"}},
                {"name": "other", "context": {"cluster": "main", "user": "other"}},
                {"name": "nowhere", "context": {"cluster": "nowhere", "user": "other"}},
            ],
            "clusters": [
                {"name": "main", "cluster": {key: value for key, value in main.items() if value is not None}},
                {"name": "nowhere", "cluster": {"server": "https://127.0.0.1:1"}},
            ],
            "users": [
                {"name": "main", "user": {"token": self.token} if user is None else user},
                {"name": "other", "user": self.certificate_data("jane", "devs")},
            ],
        }

    def kubeconfig(self, user: dict[str, Any] | None = None, cluster: dict[str, Any] | None = None) -> Path:
        return self.file("kubeconfig", yaml.safe_dump(self.document(user, cluster)))

    def given(
        self,
        *arguments: str,
        user: dict[str, Any] | None = None,
        cluster: dict[str, Any] | None = None,
        terminal: bool = False,
        evidence: Callable[[], Any] = lambda: None,
    ) -> Given:
        """Connects with `document(user, cluster)` and flags."""
        path = f"--kubeconfig={self.kubeconfig(user, cluster)}"
        return Given((path, *arguments), terminal=terminal, evidence=evidence)

    def certificate_data(self, user: str, *groups: str) -> dict[str, str]:
        pair = self.cluster.client_certificate(user, groups)
        return {"client-certificate-data": encoded(pair.certificate), "client-key-data": encoded(pair.key)}

    def plugin(self, status: dict[str, Any], version: str = V1, prints: str = V1, **settings: Any) -> dict[str, Any]:
        """A user with an exec plugin that prints `status` and notes what it is told in the file `told`."""
        document = json.dumps({"apiVersion": prints, "kind": "ExecCredential", "status": status})
        program = (
            "import os, sys\n"
            f"note = open({str(self.folder / 'told')!r}, 'a')\n"
            "note.write(os.environ['KUBERNETES_EXEC_INFO'].strip() + '\\n')\n"
            "note.write(f'{sys.argv[1:]} {os.environ.get(\"MARK\")} {sys.stdin.isatty()}\\n')\n"
            f"print({document!r})\n"
        )
        script = self.file("plugin.py", program)
        plugin = {"apiVersion": version, "command": sys.executable, "args": [str(script), "get-token"], **settings}
        return {"exec": {"interactiveMode": "Never", **plugin}}

    def told(self) -> Any:
        """What the plugin noted at its first run."""
        note = self.folder / "told"
        information, rest, *_ = note.read_text().splitlines()
        note.unlink()
        return json.loads(information), rest

    def http_proxy(self, port: int | None = None) -> FakeProxy:
        return self._stack.enter_context(http_proxy(port or self.port))

    def socks_proxy(self) -> FakeProxy:
        return self._stack.enter_context(socks_proxy(self.port))

    def plain_server(self) -> FakeApi:
        return self._stack.enter_context(fake_api(None))

    def refusing_port(self) -> int:
        """A port no server listens on."""
        return 1


def encoded(content: str | bytes) -> str:
    return base64.b64encode(content if isinstance(content, bytes) else content.encode()).decode()


def went_through(proxy: FakeProxy) -> Callable[[], Any]:
    """Evidence of where clients of a proxy wanted to go, each place once."""

    def read() -> Any:
        asked = sorted(set(proxy.asked))
        proxy.asked.clear()
        return asked

    return read


# Flags

FLAGS = "Flags"


@case(FLAGS, "`--kubeconfig`", "the file to read, and no other")
def _flag_kubeconfig(bench: Bench) -> Given:
    other = bench.file("other", yaml.safe_dump(bench.document(bench.certificate_data("joe"))))
    return Given((f"--kubeconfig={bench.kubeconfig()}",), {"KUBECONFIG": str(other)})


@case(FLAGS, "`--kubeconfig`", "a file that doesn't exist is an error", "error")
def _flag_kubeconfig_missing(bench: Bench) -> Given:
    return Given((f"--kubeconfig={bench.folder / 'none'}",))


@case(FLAGS, "`--context`", "the context to use")
def _flag_context(bench: Bench) -> Given:
    return bench.given("--context=other")


@case(FLAGS, "`--context`", "a name that doesn't exist is an error", "error")
def _flag_context_unknown(bench: Bench) -> Given:
    return bench.given("--context=none")


@case(FLAGS, "`--cluster`", "the cluster to use, with the context's user")
def _flag_cluster(bench: Bench) -> Given:
    return bench.given("--context=nowhere", "--cluster=main")


@case(FLAGS, "`--cluster`", "a name that doesn't exist is an error", "error")
def _flag_cluster_unknown(bench: Bench) -> Given:
    return bench.given("--cluster=none")


@case(FLAGS, "`--user`", "the user to use, with the context's cluster")
def _flag_user(bench: Bench) -> Given:
    return bench.given("--user=other")


@case(FLAGS, "`--user`", "a name that doesn't exist is an error", "error")
def _flag_user_unknown(bench: Bench) -> Given:
    return bench.given("--user=none")


@case(FLAGS, "`-s`, `--server`", "the server, whatever the kubeconfig says")
def _flag_server(bench: Bench) -> Given:
    return bench.given(f"--server={bench.cluster.server}", cluster={"server": "https://127.0.0.1:1"})


@case(FLAGS, "`-s`, `--server`", "enough without any kubeconfig")
def _flag_server_alone(bench: Bench) -> Given:
    return Given(
        ("-s", bench.cluster.server, f"--token={bench.token}", f"--certificate-authority={bench.cluster.ca_file}")
    )


@case(
    FLAGS,
    "`-s`, `--server`",
    "without a scheme it is plain HTTP, and a TLS server says so",
    "ours",
    ours="Client sent an HTTP request to an HTTPS server",
    because="what the server says is shown; kubectl speaks of an unknown reason",
)
def _flag_server_without_scheme(bench: Bench) -> Given:
    return bench.given(f"--server=127.0.0.1:{bench.port}")


@case(FLAGS, "`--token`", "a bearer token instead of the kubeconfig's")
def _flag_token(bench: Bench) -> Given:
    return bench.given(f"--token={bench.token}", user={"token": "wrong"})


@case(FLAGS, "`--token`", "goes before an exec plugin")
def _flag_token_before_plugin(bench: Bench) -> Given:
    return bench.given(f"--token={bench.token}", user=bench.plugin({"token": "wrong"}))


@case(FLAGS, "`--token`", "a user name and password beside it are refused", "error")
def _flag_token_and_password(bench: Bench) -> Given:
    return bench.given(f"--token={bench.token}", user={"username": "u", "password": "p"})


@case(FLAGS, "`--as`", "impersonates a user")
def _flag_as(bench: Bench) -> Given:
    return bench.given("--as=jürgen")


@case(FLAGS, "`--as`", "impersonates a service account")
def _flag_as_service_account(bench: Bench) -> Given:
    return bench.given("--as=system:serviceaccount:default:default")


@case(FLAGS, "`--as`", "who may not impersonate is refused by the server", "error")
def _flag_as_forbidden(bench: Bench) -> Given:
    return bench.given("--context=other", "--as=joe")


@case(FLAGS, "`--as-group`", "groups of the impersonated user, one for each use, commas belong to the name")
def _flag_as_group(bench: Bench) -> Given:
    return bench.given("--as=joe", "--as-group=devs", "--as-group=a,b")


@case(FLAGS, "`--as-group`", "without `--as` it is refused", "error")
def _flag_as_group_alone(bench: Bench) -> Given:
    return bench.given("--as-group=devs")


@case(FLAGS, "`--as-uid`", "UID of the impersonated user")
def _flag_as_uid(bench: Bench) -> Given:
    return bench.given("--as=joe", "--as-uid=7")


@case(FLAGS, "`--as-uid`", "without `--as` it is refused", "error")
def _flag_as_uid_alone(bench: Bench) -> Given:
    return bench.given("--as-uid=7")


@case(FLAGS, "`--certificate-authority`", "the CA to trust instead of the kubeconfig's")
def _flag_ca(bench: Bench) -> Given:
    wrong = encoded(Authority.create("wrong").certificate)
    cluster = {"certificate-authority": None, "certificate-authority-data": wrong}
    return bench.given(f"--certificate-authority={bench.cluster.ca_file}", cluster=cluster)


@case(FLAGS, "`--certificate-authority`", "a file that doesn't exist is an error", "error")
def _flag_ca_missing(bench: Bench) -> Given:
    return bench.given(f"--certificate-authority={bench.folder / 'none'}")


@case(FLAGS, "`--certificate-authority`", "a CA that didn't sign the server's certificate", "error")
def _flag_ca_wrong(bench: Bench) -> Given:
    return bench.given(f"--certificate-authority={bench.file('wrong.crt', Authority.create('wrong').certificate)}")


@case(FLAGS, "`--client-certificate`, `--client-key`", "a certificate from files")
def _flag_client_certificate(bench: Bench) -> Given:
    bench.pair("joe", "devs", "ops")
    return bench.given(
        f"--client-certificate={bench.folder / 'joe.crt'}", f"--client-key={bench.folder / 'joe.key'}", user={}
    )


@case(FLAGS, "`--client-certificate`, `--client-key`", "beside a bearer token, the certificate decides")
def _flag_client_certificate_and_token(bench: Bench) -> Given:
    bench.pair("joe")
    return bench.given(f"--client-certificate={bench.folder / 'joe.crt'}", f"--client-key={bench.folder / 'joe.key'}")


@case(FLAGS, "`--client-certificate`, `--client-key`", "over a certificate in the kubeconfig they are refused", "error")
def _flag_client_certificate_over_data(bench: Bench) -> Given:
    bench.pair("joe")
    return bench.given("--context=other", f"--client-certificate={bench.folder / 'joe.crt'}")


@case(FLAGS, "`--client-certificate`, `--client-key`", "one without the other is refused", "error")
def _flag_client_certificate_without_key(bench: Bench) -> Given:
    bench.pair("joe")
    return bench.given(f"--client-certificate={bench.folder / 'joe.crt'}", user={})


@case(FLAGS, "`--client-certificate`, `--client-key`", "a key of another certificate is refused", "error")
def _flag_client_key_of_another(bench: Bench) -> Given:
    bench.pair("joe")
    bench.pair("jane")
    return bench.given(
        f"--client-certificate={bench.folder / 'joe.crt'}", f"--client-key={bench.folder / 'jane.key'}", user={}
    )


@case(FLAGS, "`--insecure-skip-tls-verify`", "any certificate will do, the kubeconfig's CA is forgotten")
def _flag_insecure(bench: Bench) -> Given:
    wrong = bench.file("wrong.crt", Authority.create("wrong").certificate)
    return bench.given("--insecure-skip-tls-verify", cluster={"certificate-authority": str(wrong)})


@case(FLAGS, "`--insecure-skip-tls-verify`", "beside `--certificate-authority` it is refused", "error")
def _flag_insecure_and_ca(bench: Bench) -> Given:
    return bench.given("--insecure-skip-tls-verify", f"--certificate-authority={bench.cluster.ca_file}")


@case(FLAGS, "`--tls-server-name`", "the name the server's certificate must have")
def _flag_tls_server_name(bench: Bench) -> Given:
    return bench.given("--tls-server-name=kubernetes.default.svc")


@case(
    FLAGS,
    "`--tls-server-name`",
    "a name it doesn't have",
    "ours",
    ours=r"x509: certificate is not valid for wrong\.example\.com",
    because="Python doesn't say which names the certificate has, so they aren't listed",
)
def _flag_tls_server_name_wrong(bench: Bench) -> Given:
    return bench.given("--tls-server-name=wrong.example.com")


@case(FLAGS, "`--tls-server-name`", "`--server` makes the kubeconfig's forgotten")
def _flag_server_forgets_tls_server_name(bench: Bench) -> Given:
    return bench.given(f"--server={bench.cluster.server}", cluster={"tls-server-name": "wrong.example.com"})


@case(FLAGS, "`--request-timeout`", "long enough")
def _flag_request_timeout(bench: Bench) -> Given:
    return bench.given("--request-timeout=1m")


@case(FLAGS, "`--request-timeout`", "`0` is no limit")
def _flag_request_timeout_zero(bench: Bench) -> Given:
    return bench.given("--request-timeout=0")


@case(FLAGS, "`--request-timeout`", "no duration", "error")
def _flag_request_timeout_wrong(bench: Bench) -> Given:
    return bench.given("--request-timeout=soon")


@case(
    FLAGS,
    "`--request-timeout`",
    "a server that doesn't answer in time",
    "ours",
    ours=r"the server 127\.0\.0\.1:\d+ didn't answer within 0\.5 s",
    because="said in words that don't need Go to be understood",
)
def _flag_request_timeout_exceeded(bench: Bench) -> Given:
    from tests.kube.servers import Answer

    server = bench.plain_server()
    server.answer = lambda _: Answer(silent=True)
    return Given((f"--server={server.url}", "--request-timeout=500ms"))


@case(FLAGS, "`--username`, `--password`", "sent as basic authentication, which Kubernetes no longer knows", "error")
def _flag_username(bench: Bench) -> Given:
    return bench.given("--username=u", "--password=p", user={})


@case(FLAGS, "`--disable-compression`", "answers aren't compressed")
def _flag_disable_compression(bench: Bench) -> Given:
    return bench.given("--disable-compression")


# Kubeconfig

KUBECONFIG = "Kubeconfig"


@case(KUBECONFIG, "`KUBECONFIG`", "several files are merged")
def _several_files(bench: Bench) -> Given:
    document = bench.document()
    parts = [
        bench.file("users", yaml.safe_dump({"users": document["users"]})),
        bench.folder / "missing",
        bench.file("rest", yaml.safe_dump({key: value for key, value in document.items() if key != "users"})),
    ]
    return Given((), {"KUBECONFIG": os.pathsep.join(str(part) for part in parts)})


@case(KUBECONFIG, "`KUBECONFIG`", "the first file wins for every name and for `current-context`")
def _first_file_wins(bench: Bench) -> Given:
    first = bench.document(bench.certificate_data("joe"))
    second = {**bench.document({"token": "wrong"}), "current-context": "other"}
    paths = [bench.file("first", yaml.safe_dump(first)), bench.file("second", yaml.safe_dump(second))]
    return Given((), {"KUBECONFIG": os.pathsep.join(str(path) for path in paths)})


@case(KUBECONFIG, "`~/.kube/config`", "read where nothing else is named")
def _home(bench: Bench) -> Given:
    bench.file("home/.kube/config", yaml.safe_dump(bench.document()))
    return Given(())


@case(KUBECONFIG, "relative paths", "are relative to the file they stand in")
def _relative_paths(bench: Bench) -> Given:
    bench.file("a/ca.crt", bench.cluster.ca_file.read_bytes())
    pair = bench.cluster.client_certificate("joe", ())
    bench.file("b/joe.crt", pair.certificate)
    bench.file("b/joe.key", pair.key)
    document = bench.document(
        {"client-certificate": "joe.crt", "client-key": "./joe.key"}, {"certificate-authority": "ca.crt"}
    )
    a = bench.file("a/config", yaml.safe_dump({**document, "users": []}))
    b = bench.file("b/config", yaml.safe_dump({"users": document["users"]}))
    return Given((), {"KUBECONFIG": f"{a}{os.pathsep}{b}"})


@case(KUBECONFIG, "`current-context`", "names a context that doesn't exist", "error")
def _current_context_unknown(bench: Bench) -> Given:
    path = bench.file("config", yaml.safe_dump({**bench.document(), "current-context": "gone"}))
    return Given((f"--kubeconfig={path}",))


@case(KUBECONFIG, "`current-context`", "isn't needed with `--context`")
def _current_context_not_needed(bench: Bench) -> Given:
    path = bench.file("config", yaml.safe_dump({**bench.document(), "current-context": ""}))
    return Given((f"--kubeconfig={path}", "--context=main"))


@case(
    KUBECONFIG,
    "`current-context`",
    "is missing",
    "ours",
    ours="current-context is not set",
    because="kubectl tries http://localhost:8080, which is never meant",
)
def _current_context_missing(bench: Bench) -> Given:
    path = bench.file("config", yaml.safe_dump({**bench.document(), "current-context": ""}))
    return Given((f"--kubeconfig={path}",))


@case(
    KUBECONFIG,
    "no kubeconfig",
    "and no Pod either",
    "ours",
    ours="no kubeconfig was found",
    because="kubectl tries http://localhost:8080, which is never meant",
)
def _no_kubeconfig(bench: Bench) -> Given:
    return Given(())


@case(
    KUBECONFIG,
    "context",
    "names a cluster that doesn't exist",
    "ours",
    ours='cluster "gone" does not exist',
    because="kubectl tries http://localhost:8080, which is never meant",
)
def _context_without_cluster(bench: Bench) -> Given:
    contexts = [{"name": "main", "context": {"cluster": "gone", "user": "main"}}]
    return Given((f"--kubeconfig={bench.file('config', yaml.safe_dump({**bench.document(), 'contexts': contexts}))}",))


@case(KUBECONFIG, "JSON", "is a kubeconfig, too, tabs included")
def _json(bench: Bench) -> Given:
    path = bench.file("config.json", json.dumps(bench.document(), indent="\t"))
    return Given((f"--kubeconfig={path}",))


@case(
    KUBECONFIG,
    "broken file",
    "isn't YAML",
    "ours",
    ours="not valid YAML",
    because="the parser's own words quote the lines around the mistake, where credentials may stand",
)
def _not_yaml(bench: Bench) -> Given:
    return Given((f"--kubeconfig={bench.file('config', 'users: [{name: u, user: {token: secret')}",))


@case(KUBECONFIG, "`certificate-authority-data`", "the CA, in the file itself")
def _ca_data(bench: Bench) -> Given:
    data = encoded(bench.cluster.ca_file.read_bytes())
    return bench.given(cluster={"certificate-authority": None, "certificate-authority-data": data})


@case(KUBECONFIG, "`certificate-authority-data`", "beside `certificate-authority` it is refused", "error")
def _ca_data_and_file(bench: Bench) -> Given:
    return bench.given(cluster={"certificate-authority-data": encoded(bench.cluster.ca_file.read_bytes())})


@case(KUBECONFIG, "`insecure-skip-tls-verify`", "any certificate will do")
def _insecure(bench: Bench) -> Given:
    return bench.given(cluster={"certificate-authority": None, "insecure-skip-tls-verify": True})


@case(KUBECONFIG, "`insecure-skip-tls-verify`", "beside a CA it is refused", "error")
def _insecure_and_ca(bench: Bench) -> Given:
    return bench.given(cluster={"insecure-skip-tls-verify": True})


@case(KUBECONFIG, "`tls-server-name`", "the name the server's certificate must have")
def _tls_server_name(bench: Bench) -> Given:
    return bench.given(cluster={"tls-server-name": "kubernetes.default.svc"})


@case(KUBECONFIG, "no CA", "the system's are trusted, also with a client certificate")
def _system_ca(bench: Bench) -> Given:
    given = bench.given(user=bench.certificate_data("joe"), cluster={"certificate-authority": None})
    return Given(given.arguments, {"SSL_CERT_FILE": str(bench.cluster.ca_file)})


@case(KUBECONFIG, "no CA", "and one that the system doesn't know", "error")
def _unknown_ca(bench: Bench) -> Given:
    return bench.given(cluster={"certificate-authority": None})


@case(KUBECONFIG, "`proxy-url`", "an HTTP proxy")
def _http_proxy(bench: Bench) -> Given:
    proxy = bench.http_proxy()
    return bench.given(cluster={"proxy-url": proxy.url}, evidence=went_through(proxy))


@case(KUBECONFIG, "`proxy-url`", "a SOCKS5 proxy, which looks names up itself")
def _socks_proxy(bench: Bench) -> Given:
    proxy = bench.socks_proxy()
    cluster = {"proxy-url": proxy.url, "server": "https://kubernetes.default.svc:6443"}
    return bench.given(cluster=cluster, evidence=went_through(proxy))


@case(KUBECONFIG, "`proxy-url`", "with `tls-server-name`")
def _proxy_and_tls_server_name(bench: Bench) -> Given:
    proxy = bench.http_proxy()
    cluster = {
        "proxy-url": proxy.url,
        "server": "https://cluster.example.com",
        "tls-server-name": "kubernetes.default.svc",
    }
    return bench.given(cluster=cluster, evidence=went_through(proxy))


@case(
    KUBECONFIG,
    "`proxy-url`",
    "of an unknown kind",
    "ours",
    ours=r"""invalid 'proxy-url' for cluster "main": unsupported scheme "ftp", must be http, https, or socks5""",
    because="the URL isn't repeated: a password may stand in it",
)
def _proxy_of_unknown_kind(bench: Bench) -> Given:
    return bench.given(cluster={"proxy-url": "ftp://me:secret@127.0.0.1"})


@case(KUBECONFIG, "`HTTPS_PROXY`", "the proxy where the kubeconfig names none")
def _environment_proxy(bench: Bench) -> Given:
    proxy = bench.http_proxy()
    given = bench.given(cluster={"server": "https://kubernetes.default.svc:6443"}, evidence=went_through(proxy))
    return Given(given.arguments, {"HTTPS_PROXY": proxy.url}, evidence=given.evidence)


@case(KUBECONFIG, "`NO_PROXY`", "exceptions from it, ranges of addresses included")
def _no_proxy(bench: Bench) -> Given:
    proxy = bench.http_proxy(port=1)
    given = bench.given(evidence=went_through(proxy))
    return Given(given.arguments, {"HTTPS_PROXY": proxy.url, "NO_PROXY": "127.0.0.0/8"}, evidence=given.evidence)


@case(KUBECONFIG, "`as`, `as-groups`, `as-uid`, `as-user-extra`", "impersonation written into a user")
def _impersonation(bench: Bench) -> Given:
    extra = {"example.com/Why%so": ["because", "of that"]}
    user = {"token": bench.token, "as": "joe", "as-uid": "7", "as-groups": ["devs"], "as-user-extra": extra}
    return bench.given(user=user)


@case(KUBECONFIG, "`as`, `as-groups`, `as-uid`, `as-user-extra`", "flags go before them")
def _impersonation_and_flags(bench: Bench) -> Given:
    user = {"token": bench.token, "as": "joe", "as-groups": ["devs"]}
    return bench.given("--as=jim", "--as-group=ops", user=user)


# Credentials

CREDENTIALS = "Credentials"


@case(CREDENTIALS, "token", "a bearer token in the kubeconfig")
def _token(bench: Bench) -> Given:
    return bench.given(user={"token": bench.token})


@case(CREDENTIALS, "token", "a wrong one is refused by the server", "error")
def _token_wrong(bench: Bench) -> Given:
    return bench.given(user={"token": "wrong"})


@case(CREDENTIALS, "token", "over plain HTTP it isn't sent", "error")
def _token_over_http(bench: Bench) -> Given:
    from tests.kube.servers import Answer

    server = bench.plain_server()
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Conflict", "code": 409}

    def evidence() -> Any:
        seen = [request.header("Authorization") for request in server.seen]
        server.seen.clear()
        return seen

    server.answer = lambda _: Answer(409, {**status, "message": "no"}, headers={"Content-Type": "application/json"})
    return bench.given(f"--server={server.url}", evidence=evidence)


@case(CREDENTIALS, "token file", "the file's content, white space cut off")
def _token_file(bench: Bench) -> Given:
    return bench.given(user={"tokenFile": str(bench.file("token", f"\n{bench.token}\n"))})


@case(CREDENTIALS, "token file", "goes before a token")
def _token_file_and_token(bench: Bench) -> Given:
    return bench.given(user={"token": "wrong", "tokenFile": str(bench.file("token", bench.token))})


@case(CREDENTIALS, "token file", "goes before `--token`, too")
def _token_file_and_flag(bench: Bench) -> Given:
    return bench.given("--token=wrong", user={"tokenFile": str(bench.file("token", bench.token))})


@case(CREDENTIALS, "token file", "without the file, the token counts")
def _token_file_missing_with_token(bench: Bench) -> Given:
    return bench.given(user={"token": bench.token, "tokenFile": str(bench.folder / "none")})


@case(CREDENTIALS, "token file", "a file that doesn't exist is an error", "error")
def _token_file_missing(bench: Bench) -> Given:
    return bench.given(user={"tokenFile": str(bench.folder / "none")})


@case(
    CREDENTIALS,
    "token file",
    "an empty file",
    "ours",
    ours="read empty token from file",
    because="kubectl asks for a user name and a password, which Kubernetes no longer knows",
)
def _token_file_empty(bench: Bench) -> Given:
    return bench.given(user={"tokenFile": str(bench.file("token", ""))})


@case(CREDENTIALS, "client certificate", "in files")
def _certificate_files(bench: Bench) -> Given:
    bench.pair("joe", "devs")
    return bench.given(user={"client-certificate": "joe.crt", "client-key": "joe.key"})


@case(CREDENTIALS, "client certificate", "in the kubeconfig itself")
def _certificate_data(bench: Bench) -> Given:
    return bench.given(user=bench.certificate_data("joe", "devs", "ops"))


@case(CREDENTIALS, "client certificate", "goes before an exec plugin")
def _certificate_before_plugin(bench: Bench) -> Given:
    return bench.given(user={**bench.certificate_data("joe"), **bench.plugin({"token": "wrong"})})


@case(CREDENTIALS, "client certificate", "an expired one is refused by the server", "error")
def _certificate_expired(bench: Bench) -> Given:
    bench.pair("joe", days=-1)
    return bench.given(user={"client-certificate": "joe.crt", "client-key": "joe.key"})


@case(CREDENTIALS, "client certificate", "of an authority the server doesn't know is refused by it", "error")
def _certificate_of_a_stranger(bench: Bench) -> Given:
    pair = Authority.create("stranger").client("joe")
    user = {"client-certificate-data": encoded(pair.certificate), "client-key-data": encoded(pair.key)}
    return bench.given(user=user)


@case(CREDENTIALS, "client certificate", "a file that doesn't exist", "error")
def _certificate_missing(bench: Bench) -> Given:
    bench.pair("joe")
    return bench.given(user={"client-certificate": "none", "client-key": "joe.key"})


@case(CREDENTIALS, "client certificate", "something that is none", "error")
def _certificate_nonsense(bench: Bench) -> Given:
    return bench.given(user={"client-certificate-data": encoded("x"), "client-key-data": encoded("x")})


@case(CREDENTIALS, "service account", "a token of it, in a file as a Pod has it")
def _service_account_token(bench: Bench) -> Given:
    return bench.given(user={"tokenFile": str(bench.file("token", bench.service_account_token()))})


@case(CREDENTIALS, "exec plugin", "v1, a token; the plugin gets the same input")
def _plugin_v1(bench: Bench) -> Given:
    user = bench.plugin({"token": bench.token}, env=[{"name": "MARK", "value": "here"}])
    return bench.given(user=user, evidence=bench.told)


@case(CREDENTIALS, "exec plugin", "v1beta1, a token; the plugin gets the same input")
def _plugin_v1beta1(bench: Bench) -> Given:
    user = bench.plugin({"token": bench.token}, V1BETA1, V1BETA1, interactiveMode=None)
    return bench.given(user=user, evidence=bench.told)


@case(CREDENTIALS, "exec plugin", "a client certificate")
def _plugin_certificate(bench: Bench) -> Given:
    pair = bench.cluster.client_certificate("joe", ("devs",))
    status = {"clientCertificateData": pair.certificate.decode(), "clientKeyData": pair.key.decode()}
    return bench.given(user=bench.plugin(status), evidence=bench.told)


@case(CREDENTIALS, "exec plugin", "`provideClusterInfo`, with the cluster's extension")
def _plugin_cluster_info(bench: Bench) -> Given:
    user = bench.plugin({"token": bench.token}, provideClusterInfo=True)
    extension = {"name": "client.authentication.k8s.io/exec", "extension": {"audience": "x", "list": [1, True]}}
    cluster = {"extensions": [extension], "tls-server-name": "kubernetes.default.svc"}
    return bench.given(user=user, cluster=cluster, evidence=bench.told)


@case(CREDENTIALS, "exec plugin", "`provideClusterInfo` without TLS verification, through a proxy")
def _plugin_cluster_info_insecure(bench: Bench) -> Given:
    proxy = bench.http_proxy()
    user = bench.plugin({"token": bench.token}, V1BETA1, V1BETA1, provideClusterInfo=True)
    cluster = {"certificate-authority": None, "insecure-skip-tls-verify": True, "proxy-url": proxy.url}
    return bench.given(user=user, cluster=cluster, evidence=bench.told)


@case(CREDENTIALS, "exec plugin", "`interactiveMode: IfAvailable` in a terminal may ask")
def _plugin_in_terminal(bench: Bench) -> Given:
    user = bench.plugin({"token": bench.token}, interactiveMode="IfAvailable")
    return bench.given(user=user, terminal=True, evidence=bench.told)


@case(CREDENTIALS, "exec plugin", "`interactiveMode: Never` in a terminal may not")
def _plugin_never_interactive(bench: Bench) -> Given:
    user = bench.plugin({"token": bench.token}, interactiveMode="Never")
    return bench.given(user=user, terminal=True, evidence=bench.told)


@case(CREDENTIALS, "exec plugin", "`interactiveMode: IfAvailable` without a terminal may not")
def _plugin_without_terminal(bench: Bench) -> Given:
    user = bench.plugin({"token": bench.token}, interactiveMode="IfAvailable")
    return bench.given(user=user, evidence=bench.told)


@case(CREDENTIALS, "exec plugin", "`interactiveMode: Always` without a terminal is refused", "error")
def _plugin_always_interactive(bench: Bench) -> Given:
    return bench.given(user=bench.plugin({"token": bench.token}, interactiveMode="Always"))


@case(CREDENTIALS, "exec plugin", "v1 without `interactiveMode` is refused", "error")
def _plugin_without_mode(bench: Bench) -> Given:
    return bench.given(user=bench.plugin({"token": bench.token}, interactiveMode=None))


@case(CREDENTIALS, "exec plugin", "a path relative to the kubeconfig")
def _plugin_relative(bench: Bench) -> Given:
    user = bench.plugin({"token": bench.token})
    wrapper = bench.file("bin/plugin", f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    wrapper.chmod(0o700)
    user["exec"]["command"] = "./bin/plugin"
    return bench.given(user=user, evidence=bench.told)


@case(CREDENTIALS, "exec plugin", "a program that isn't there", "error")
def _plugin_missing(bench: Bench) -> Given:
    user = bench.plugin({}, installHint="brew install no-such-plugin")
    user["exec"]["command"] = "no-such-plugin"
    return bench.given(user=user)


@case(CREDENTIALS, "exec plugin", "a program that fails", "error")
def _plugin_failing(bench: Bench) -> Given:
    user = bench.plugin({})
    user["exec"]["args"] = ["-c", "import sys; sys.exit(7)"]
    return bench.given(user=user)


@case(CREDENTIALS, "exec plugin", "another version than configured", "error")
def _plugin_of_other_version(bench: Bench) -> Given:
    return bench.given(user=bench.plugin({"token": "t"}, V1, V1BETA1))


@case(CREDENTIALS, "exec plugin", "v1alpha1, which is gone", "error")
def _plugin_v1alpha1(bench: Bench) -> Given:
    return bench.given(user=bench.plugin({"token": "t"}, "client.authentication.k8s.io/v1alpha1"))


@case(CREDENTIALS, "exec plugin", "neither token nor certificate", "error")
def _plugin_without_credential(bench: Bench) -> Given:
    return bench.given(user=bench.plugin({"token": ""}))


@case(CREDENTIALS, "exec plugin", "a certificate without its key", "error")
def _plugin_with_half_a_pair(bench: Bench) -> Given:
    return bench.given(user=bench.plugin({"token": "t", "clientKeyData": "x"}))


@case(CREDENTIALS, "exec plugin", "no command", "error")
def _plugin_without_command(bench: Bench) -> Given:
    return bench.given(user=bench.plugin({"token": "t"}, command=""))


@case(
    CREDENTIALS,
    "exec plugin",
    "a token that the server refuses at first",
    "ours",
    ours="^admin$",
    because="kubectl gives up; here the plugin is run once more, and the request repeated",
)
def _plugin_renewed(bench: Bench) -> Given:
    """Its first credential is stale, as after a revocation; each program gets a fresh start."""
    user = bench.plugin({"token": bench.token})
    script = Path(user["exec"]["args"][0])
    count = bench.folder / "count"
    script.write_text(
        f"import os, pathlib; count = pathlib.Path({str(count)!r} + str(os.getppid()))\n"
        f"token = {bench.token!r} if count.exists() else 'stale'; count.touch()\n"
        f'print(\'{{"apiVersion": "{V1}", "kind": "ExecCredential", "status": {{"token": "\' + token + \'"}}}}\')\n'
    )
    return bench.given(user=user)


@case(CREDENTIALS, "auth provider", "`oidc`: the ID token that kubectl keeps in the kubeconfig")
def _oidc(bench: Bench) -> Given:
    # A service account's token is a JWT with an expiry, and the server knows it: good enough for an ID token.
    settings = {
        "idp-issuer-url": "https://issuer.example.com",
        "client-id": "kubectl",
        "id-token": bench.service_account_token(),
    }
    return bench.given(user={"auth-provider": {"name": "oidc", "config": settings}})


@case(
    CREDENTIALS,
    "auth provider",
    "`oidc`: an ID token that has expired",
    "ours",
    ours="No valid id-token",
    because="kubectl renews it and writes the kubeconfig, which only one program should; here it is read again",
)
def _oidc_expired(bench: Bench) -> Given:
    claims = encoded(json.dumps({"exp": 1_000_000_000})).rstrip("=")
    settings = {"idp-issuer-url": "https://127.0.0.1:1", "client-id": "kubectl", "id-token": f"e30.{claims}.x"}
    settings["refresh-token"] = "r"
    return bench.given(user={"auth-provider": {"name": "oidc", "config": settings}})


@case(CREDENTIALS, "auth provider", "`gcp` and `azure`, which are gone", "error")
def _auth_provider_gone(bench: Bench) -> Given:
    return bench.given(user={"auth-provider": {"name": "gcp", "config": {}}})


@case(CREDENTIALS, "auth provider", "beside an exec plugin it is refused", "error")
def _auth_provider_and_plugin(bench: Bench) -> Given:
    return bench.given(user={**bench.plugin({}), "auth-provider": {"name": "oidc", "config": {}}})


@case(
    CREDENTIALS,
    "none",
    "nothing that says who it is",
    "ours",
    ours=r'User "system:anonymous" cannot create resource',
    because="kubectl asks for a user name and a password, which Kubernetes no longer knows",
)
def _nobody(bench: Bench) -> Given:
    return bench.given(user={})


# Servers

SERVERS = "Servers"


@case(SERVERS, "unreachable", "no server listens", "error")
def _refused(bench: Bench) -> Given:
    return bench.given("--server=https://127.0.0.1:1")


@case(SERVERS, "not TLS", "an HTTP server where HTTPS was expected", "error")
def _plain_server(bench: Bench) -> Given:
    return bench.given(f"--server={bench.plain_server().url.replace('http:', 'https:')}")


@case(SERVERS, "behind a path", "the server's URL has a path, as Rancher's do", "error")
def _behind_a_path(bench: Bench) -> Given:
    from tests.kube.servers import Answer

    server = bench.plain_server()
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Conflict", "code": 409}

    def evidence() -> Any:
        paths = sorted({request.path for request in server.seen if request.method == "POST"})
        server.seen.clear()
        return paths

    server.answer = lambda _: Answer(409, {**status, "message": "no"}, headers={"Content-Type": "application/json"})
    return bench.given(f"--server={server.url}/k8s/clusters/c-1", evidence=evidence)


# What isn't compared with kubectl, and what isn't taken


@dataclass(frozen=True)
class Extra:
    """A promise that kubectl can't be asked for, or doesn't make. Its test is elsewhere."""

    section: str
    subject: str
    promise: str
    test: str


_UNIT = "tests/kube/test_connect.py::"

EXTRAS = [
    Extra(
        CREDENTIALS,
        "service account",
        "of the Pod it runs in, where there is no kubeconfig",
        "tests/cluster/test_connect.py::test_a_pod_is_whom_kubectl_says_it_is",
    ),
    Extra(
        CREDENTIALS,
        "token file",
        "rotated in the middle of a run",
        f"{_UNIT}test_a_rotated_token_file_is_read_when_the_old_token_is_refused",
    ),
    Extra(
        CREDENTIALS,
        "token file",
        "read again within a minute",
        "tests/kube/transport/test_credentials.py::test_a_token_file_is_read_again_within_a_minute",
    ),
    Extra(
        CREDENTIALS,
        "exec plugin",
        "`expirationTimestamp`: run again before the credential ends",
        "tests/kube/transport/test_credentials.py::test_a_plugin_is_run_once_while_its_credential_lasts",
    ),
    Extra(
        CREDENTIALS,
        "exec plugin",
        "run once for all requests that were refused",
        f"{_UNIT}test_32_refused_requests_run_a_plugin_once",
    ),
    Extra(
        CREDENTIALS,
        "exec plugin",
        "a new client certificate in the middle of a run",
        f"{_UNIT}test_a_new_client_certificate_is_presented_on_new_connections",
    ),
    Extra(
        CREDENTIALS,
        "exec plugin",
        "`installHint`, on one line",
        "tests/kube/transport/test_exec_plugin.py::test_a_missing_plugin_is_named_with_its_install_hint_on_one_line",
    ),
    Extra(
        CREDENTIALS,
        "any",
        "who logs in again in another terminal meanwhile is heard",
        f"{_UNIT}test_who_logs_in_again_meanwhile_is_heard",
    ),
    Extra(
        CREDENTIALS,
        "any",
        "in no log at any `-v`, no error, no traceback",
        f"{_UNIT}test_credentials_are_in_no_log_repr_error_or_traceback",
    ),
    Extra(
        CREDENTIALS,
        "any",
        "in no temporary file",
        f"{_UNIT}test_no_credential_is_ever_in_a_temporary_file",
    ),
    Extra(
        CREDENTIALS,
        "any",
        "not left behind where the process is killed",
        "tests/kube/transport/test_tls.py::test_killed_while_a_key_is_on_disk_nothing_usable_is_left",
    ),
]

NOT_TAKEN = {
    "--cache-dir": "nothing of the cluster is cached on disk",
    "--kuberc": "preferences for kubectl's own commands",
    "--log-flush-frequency": "the log isn't buffered",
    "--match-server-version": "every supported Kubernetes version will do",
    "--namespace": "taken only as `glasskube-system`: Glasskube is where it is",
    "--profile": "for kubectl's developers",
    "--profile-output": "for kubectl's developers",
    "--v": "taken: requests in the log from level 6 on, without credentials",
    "--version": "prints this plugin's version",
    "--vmodule": "for kubectl's developers",
    "--warnings-as-errors": "warnings don't stop a purge",
}
"""kubectl's other global flags, and what becomes of them."""
